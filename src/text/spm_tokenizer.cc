#include "text/spm_tokenizer.h"

#include <algorithm>

#include "fmt/format.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

constexpr std::string_view kSpace = "▁";  // U+2581

// The size of a character by its first byte alone; text need not be valid UTF-8.
size_t CharacterSize(char first) {
  const uint8_t byte = static_cast<uint8_t>(first);
  if (byte < 0xC0) return 1;
  if (byte < 0xE0) return 2;
  return byte < 0xF0 ? 3 : 4;
}

// Joins the characters of one stretch of text into tokens.
class Joiner {
 public:
  explicit Joiner(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  // Calls `emit` for the spelling of each symbol that is left in `text`.
  template <typename Emit>
  void Run(std::string_view text, const Emit& emit) {
    text_ = text;
    SplitCharacters();
    for (uint32_t i = 0; i + 1 < symbols_.size(); ++i) Propose(i);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      const Pair best = queue_.back();
      queue_.pop_back();
      Join(best);
    }
    for (uint32_t i = 0; i != kNone; i = symbols_[i].next) emit(Spelling(i));
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Symbol {
    uint32_t begin;
    uint32_t size;  // 0: joined into the one before
    uint32_t previous;
    uint32_t next;
  };
  struct Pair {
    float score;
    uint32_t left;
    uint32_t size;  // of both symbols; another size later means one has changed
    // The worse pair, for the heap: best score first, then the left one.
    bool operator<(const Pair& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };

  std::string_view Spelling(uint32_t i) const {
    return text_.substr(symbols_[i].begin, symbols_[i].size);
  }

  void SplitCharacters() {
    symbols_.clear();
    for (size_t begin = 0; begin < text_.size();) {
      const size_t size = std::min(CharacterSize(text_[begin]), text_.size() - begin);
      const uint32_t i = static_cast<uint32_t>(symbols_.size());
      symbols_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(size), i - 1, i + 1});
      begin += size;
    }
    symbols_.back().next = kNone;
  }

  // Queues the pair of symbol `left` and the next if they form a token.
  void Propose(uint32_t left) {
    const uint32_t right = symbols_[left].next;
    if (right == kNone) return;
    const uint32_t size = symbols_[left].size + symbols_[right].size;
    const std::optional<TokenId> token = vocabulary_.Find(text_.substr(symbols_[left].begin, size));
    if (!token) return;
    queue_.push_back({vocabulary_.score(*token), left, size});
    std::push_heap(queue_.begin(), queue_.end());
  }

  void Join(const Pair& pair) {
    Symbol& left = symbols_[pair.left];
    if (left.size == 0 || left.next == kNone) return;
    Symbol& right = symbols_[left.next];
    if (left.size + right.size != pair.size) return;
    left.size = pair.size;
    right.size = 0;
    left.next = right.next;
    if (left.next != kNone) symbols_[left.next].previous = pair.left;
    if (left.previous != kNone) Propose(left.previous);
    Propose(pair.left);
  }

  const Vocabulary& vocabulary_;
  std::string_view text_;
  std::vector<Symbol> symbols_;
  std::vector<Pair> queue_;
};

// Where the word at the front of `text` ends: at the next "▁" that follows something else. Goes by
// characters, as the joiner does: a damaged one may swallow the bytes of a "▁".
size_t WordSize(std::string_view text) {
  size_t size = 0;
  bool in_word = false;
  while (size < text.size()) {
    const bool space = text.substr(size).starts_with(kSpace);
    if (space && in_word) return size;
    in_word = in_word || !space;
    size += std::min(CharacterSize(text[size]), text.size() - size);
  }
  return size;
}

}  // namespace

std::unique_ptr<SpmTokenizer> SpmTokenizer::Make(TokenizerData data) {
  return std::unique_ptr<SpmTokenizer>(new SpmTokenizer(std::move(data)));
}

SpmTokenizer::SpmTokenizer(TokenizerData data) : VocabularyTokenizer(std::move(data)) {
  FindByteTokens();
  FindWordBorders();
  ShrinkWarnings();
}

void SpmTokenizer::FindByteTokens() {
  size_t missing = 0;
  for (size_t byte = 0; byte < 256; ++byte) {
    const char plain = static_cast<char>(byte);
    std::optional<TokenId> token = vocabulary().Find(fmt::format("<0x{:02X}>", byte));
    if (!token) token = vocabulary().Find({&plain, 1});
    if (!token) token = data().unknown;
    if (!token) ++missing;
    byte_tokens_[byte] = token.value_or(-1);
  }
  if (missing > 0) {
    Warn(fmt::format("{} byte values have no token, and there is no unknown token: they are lost",
                     missing));
  }
}

void SpmTokenizer::FindWordBorders() {
  words_are_separate_ = true;
  for (size_t i = 0; i < vocabulary().size() && words_are_separate_; ++i) {
    const std::string_view spelling = vocabulary().Spelling(static_cast<TokenId>(i));
    words_are_separate_ = WordSize(spelling) == spelling.size();
  }
}

Status SpmTokenizer::EncodeText(std::string_view text, bool prefix,
                                std::vector<TokenId>& out) const {
  std::string escaped;
  if (prefix && data().add_space_prefix) escaped = kSpace;
  escaped += Replaced(text, " ", kSpace);
  Joiner joiner(vocabulary());
  const auto emit = [&](std::string_view symbol) {
    if (const std::optional<TokenId> token = vocabulary().Find(symbol)) {
      out.push_back(*token);
      return;
    }
    for (const char byte : symbol) {
      const TokenId token = byte_tokens_[static_cast<uint8_t>(byte)];
      if (token >= 0) out.push_back(token);
    }
  };
  std::string_view left = escaped;
  while (!left.empty()) {
    const size_t size = words_are_separate_ ? WordSize(left) : left.size();
    joiner.Run(left.substr(0, size), emit);
    left.remove_prefix(size);
  }
  return {};
}

std::string SpmTokenizer::NormalBytes(std::string_view spelling) const {
  return Replaced(spelling, kSpace, " ");
}

}  // namespace tinyai
