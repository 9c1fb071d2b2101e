#include "text/pattern_splitter.h"

#include <algorithm>
#include <string>

#include "fmt/format.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace tinyai {
namespace {

// Unicode's White_Space, as the inside of a character class. (PCRE2's own \s has U+180E as well.)
constexpr std::string_view kWhiteSpace =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

// A search from one place may take this many steps per byte of text, and this many more. Patterns
// that step back over what they matched once, as all of ours do, take fewer than four.
constexpr uint64_t kStepsPerByte = 16;
constexpr uint64_t kStepsMore = 10'000;
constexpr uint32_t kHeapKiB = 16 * 1024;

std::string ExpandWhiteSpace(std::string_view pattern) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c != '\\' || i + 1 == pattern.size()) {
      in_class = c == '[' || (in_class && c != ']');
      out += c;
      continue;
    }
    const char escaped = pattern[++i];
    if (escaped == 's') {
      out += in_class ? std::string(kWhiteSpace) : fmt::format("[{}]", kWhiteSpace);
    } else if (escaped == 'S' && !in_class) {
      out += fmt::format("[^{}]", kWhiteSpace);
    } else {
      out += {c, escaped};
    }
  }
  return out;
}

tl::unexpected<Error> RegexError(std::string_view what, int code) {
  PCRE2_UCHAR8 text[128];
  const int length = pcre2_get_error_message_8(code, text, sizeof(text));
  const std::string_view reason(reinterpret_cast<const char*>(text),
                                length > 0 ? static_cast<size_t>(length) : 0);
  return Fail(ErrorCode::kOther, "TOKENIZER_REGEX",
              fmt::format("{}: {}", what, length > 0 ? reason : "error of the regex library"));
}

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using MatchData = std::unique_ptr<pcre2_match_data_8, FreeWith<pcre2_match_data_free_8>>;
using MatchContext = std::unique_ptr<pcre2_match_context_8, FreeWith<pcre2_match_context_free_8>>;

// What one Split needs to run patterns.
struct Search {
  MatchData data{pcre2_match_data_create_8(1, nullptr)};
  MatchContext context{pcre2_match_context_create_8(nullptr)};

  bool ready() const { return data != nullptr && context != nullptr; }
  void LimitSteps(uint64_t text_bytes) {
    const uint64_t steps = kStepsMore + kStepsPerByte * text_bytes;
    pcre2_set_match_limit_8(context.get(),
                            static_cast<uint32_t>(std::min<uint64_t>(steps, UINT32_MAX)));
    pcre2_set_heap_limit_8(context.get(), kHeapKiB);
  }
};

}  // namespace

struct PatternSplitter::Code {
  std::unique_ptr<pcre2_code_8, FreeWith<pcre2_code_free_8>> code;

  // Appends to `ends` the ends of the words of `piece`, which starts at `base`.
  Status SplitPiece(std::string_view piece, uint32_t base, Search& search,
                    std::vector<uint32_t>& ends) const;
};

PatternSplitter::PatternSplitter() = default;
PatternSplitter::PatternSplitter(PatternSplitter&&) noexcept = default;
PatternSplitter& PatternSplitter::operator=(PatternSplitter&&) noexcept = default;
PatternSplitter::~PatternSplitter() = default;

Result<PatternSplitter> PatternSplitter::Compile(std::span<const std::string_view> patterns) {
  PatternSplitter splitter;
  splitter.codes_.reserve(patterns.size());
  for (const std::string_view pattern : patterns) {
    const std::string expanded = ExpandWhiteSpace(pattern);
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code compiled;
    compiled.code.reset(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(expanded.data()),
                                        expanded.size(),
                                        PCRE2_UTF | PCRE2_UCP | PCRE2_NO_AUTO_CAPTURE |
                                            PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C,
                                        &error, &offset, nullptr));
    if (compiled.code == nullptr) {
      return RegexError(fmt::format("pattern '{}' at {}", expanded, offset), error);
    }
    splitter.codes_.push_back(std::move(compiled));
  }
  return splitter;
}

Status PatternSplitter::Code::SplitPiece(std::string_view piece, uint32_t base, Search& search,
                                         std::vector<uint32_t>& ends) const {
  size_t done = 0;
  while (done < piece.size()) {
    const int found =
        pcre2_match_8(code.get(), reinterpret_cast<PCRE2_SPTR8>(piece.data()), piece.size(), done,
                      PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, search.data.get(), search.context.get());
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) return RegexError(fmt::format("at byte {} of the text", base + done), found);
    const PCRE2_SIZE* match = pcre2_get_ovector_pointer_8(search.data.get());
    if (match[0] > done) ends.push_back(base + static_cast<uint32_t>(match[0]));
    ends.push_back(base + static_cast<uint32_t>(match[1]));
    done = match[1];
  }
  if (done < piece.size()) ends.push_back(base + static_cast<uint32_t>(piece.size()));
  return {};
}

Result<std::vector<uint32_t>> PatternSplitter::Split(std::string_view text) const {
  std::vector<uint32_t> ends;
  if (text.empty()) return ends;
  Search search;
  if (!search.ready()) {
    return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY", "no memory to run a regular expression");
  }
  search.LimitSteps(text.size());
  ends.push_back(static_cast<uint32_t>(text.size()));
  for (const Code& code : codes_) {
    std::vector<uint32_t> cut;
    uint32_t begin = 0;
    for (const uint32_t end : ends) {
      TRY(code.SplitPiece(text.substr(begin, end - begin), begin, search, cut));
      begin = end;
    }
    ends = std::move(cut);
  }
  return ends;
}

uint64_t PatternSplitter::memory_bytes() const {
  uint64_t bytes = codes_.capacity() * sizeof(Code);
  for (const Code& code : codes_) {
    size_t size = 0;
    pcre2_pattern_info_8(code.code.get(), PCRE2_INFO_SIZE, &size);
    bytes += size;
  }
  return bytes;
}

}  // namespace tinyai
