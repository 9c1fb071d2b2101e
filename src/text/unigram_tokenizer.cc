#include "text/unigram_tokenizer.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/escape.h"
#include "fmt/format.h"
#include "text/utf8.h"

namespace tinyai {
namespace {

constexpr std::string_view kSpace = "▁";  // U+2581
constexpr double kUnknownPenalty = 10;    // as SentencePiece has it

bool IsWhiteSpace(std::string_view character) {
  if (Utf8SequenceLength(character) == 0) return false;
  const uint32_t point = DecodeUtf8(character);
  return (point >= 9 && point <= 13) || point == 0x20 || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

}  // namespace

std::unique_ptr<UnigramTokenizer> UnigramTokenizer::Make(TokenizerData data,
                                                         UnigramSettings settings) {
  return std::unique_ptr<UnigramTokenizer>(
      new UnigramTokenizer(std::move(data), std::move(settings)));
}

UnigramTokenizer::UnigramTokenizer(TokenizerData data, UnigramSettings settings)
    : VocabularyTokenizer(std::move(data)), settings_(std::move(settings)) {
  SortPieces();
  FindByteTokens();
  ShrinkWarnings();
}

uint64_t UnigramTokenizer::memory_bytes() const {
  return sizeof(*this) + heap_bytes() + settings_.normaliser.memory_bytes() +
         (sorted_.capacity() + byte_tokens_.capacity()) * sizeof(TokenId);
}

void UnigramTokenizer::SortPieces() {
  size_t count = 0, too_long = 0;
  double worst = std::numeric_limits<double>::infinity();
  const auto is_piece = [&](TokenId id) {
    const size_t size = vocabulary().Spelling(id).size();
    return size > 0 && size <= kLongestPiece && !vocabulary().Is(id, kTokenUnused) &&
           vocabulary().Find(vocabulary().Spelling(id)) == id;
  };
  for (TokenId id = 0; vocabulary().Has(id); ++id) {
    count += is_piece(id);
    too_long += vocabulary().Spelling(id).size() > kLongestPiece;
    if (!vocabulary().Is(id, kTokenUnused)) worst = std::min(worst, double{vocabulary().score(id)});
  }
  unknown_score_ = worst - kUnknownPenalty;
  sorted_.reserve(count);
  for (TokenId id = 0; vocabulary().Has(id); ++id) {
    if (is_piece(id)) sorted_.push_back(id);
  }
  std::ranges::sort(sorted_, {}, [&](TokenId id) { return vocabulary().Spelling(id); });
  size_t at = 0;
  for (size_t byte = 0; byte <= 256; ++byte) {
    while (at < sorted_.size() &&
           static_cast<uint8_t>(vocabulary().Spelling(sorted_[at])[0]) < byte) {
      ++at;
    }
    first_[byte] = static_cast<uint32_t>(at);
  }
  if (too_long > 0) {
    Warn(fmt::format("{} pieces of more than {} bytes are not looked for in text", too_long,
                     kLongestPiece));
  }
}

void UnigramTokenizer::FindByteTokens() {
  byte_tokens_.reserve(256);
  for (size_t byte = 0; byte < 256; ++byte) {
    const auto token = vocabulary().Find(fmt::format("<0x{:02X}>", byte));
    if (token && vocabulary().Is(*token, kTokenByte)) byte_tokens_.push_back(*token);
  }
  if (byte_tokens_.size() < 256) byte_tokens_ = {};
}

// Normalised, with the spaces as pieces have them.
std::string UnigramTokenizer::Prepare(std::string_view text, bool prefix) const {
  const std::string normal = settings_.normaliser.Normalise(text);
  std::string out;
  bool pending = prefix && data().add_space_prefix;  // a space, before the next that is none
  bool at_space = false;
  for (std::string_view left = normal; !left.empty();) {
    const std::string_view character = left.substr(0, NextCharacterSize(left));
    left.remove_prefix(character.size());
    const bool space = settings_.words_only ? IsWhiteSpace(character) : character == " ";
    if (space && settings_.words_only) {
      pending |= !out.empty();
      continue;
    }
    if (space && settings_.one_space && at_space) continue;
    if (pending && !space && character != kSpace) out += kSpace;
    pending = false;
    out += space ? kSpace : character;
    at_space = space;
  }
  return out;
}

Status UnigramTokenizer::EncodeText(std::string_view text, bool prefix,
                                    std::vector<TokenId>& out) const {
  const std::string prepared = Prepare(text, prefix);
  std::string_view left = prepared;
  while (!left.empty()) {
    size_t size = left.size();
    if (settings_.split_words) size = std::min(left.find(kSpace, 1), size);
    EncodeStretch(left.substr(0, size), out);
    left.remove_prefix(size);
  }
  return {};
}

// Viterbi: the best way to each place in the text, from left to right.
void UnigramTokenizer::EncodeStretch(std::string_view text, std::vector<TokenId>& out) const {
  struct Place {
    double score = 0;
    uint32_t from = ~uint32_t{0};  // nowhere yet
    TokenId token = -1;            // -1: unknown
  };
  std::vector<Place> places(text.size() + 1);
  places[0].from = 0;
  const auto reach = [&](size_t begin, size_t end, double score, TokenId token) {
    Place& place = places[end];
    const double sum = places[begin].score + score;
    if (place.from != ~uint32_t{0} && !(sum > place.score)) return;
    place = {sum, static_cast<uint32_t>(begin), token};
  };
  for (size_t begin = 0; begin < text.size(); begin += NextCharacterSize(text.substr(begin))) {
    const size_t character = NextCharacterSize(text.substr(begin));
    const auto first = static_cast<uint8_t>(text[begin]);
    auto low = sorted_.begin() + first_[first], high = sorted_.begin() + first_[first + 1];
    bool has_character = false;
    // The pieces that share so many bytes with the text, fewer and fewer.
    for (size_t size = 1; low != high; ++size) {
      if (vocabulary().Spelling(*low).size() == size) {
        reach(begin, begin + size, double{vocabulary().score(*low)}, *low);
        has_character |= size == character;
        ++low;
      }
      if (begin + size == text.size() || low == high) break;
      const auto next = static_cast<uint8_t>(text[begin + size]);
      const auto byte_of = [&](TokenId id) {
        return static_cast<uint8_t>(vocabulary().Spelling(id)[size]);
      };
      const auto range = std::ranges::equal_range(low, high, next, {}, byte_of);
      low = range.begin();
      high = range.end();
    }
    if (!has_character) reach(begin, begin + character, unknown_score_, -1);
  }
  std::vector<uint32_t> ends;
  for (size_t at = text.size(); at > 0; at = places[at].from) {
    ends.push_back(static_cast<uint32_t>(at));
  }
  for (size_t i = ends.size(); i-- > 0;) {
    const size_t begin = places[ends[i]].from;
    if (places[ends[i]].token >= 0) {
      out.push_back(places[ends[i]].token);
      continue;
    }
    while (i > 0 && places[ends[i - 1]].token < 0) --i;  // neighbours are unknown together
    EmitUnknown(text.substr(begin, ends[i] - begin), out);
  }
}

void UnigramTokenizer::EmitUnknown(std::string_view characters, std::vector<TokenId>& out) const {
  if (byte_tokens_.empty()) {
    if (data().unknown) out.push_back(*data().unknown);
    return;
  }
  for (const char byte : characters) out.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
}

std::string UnigramTokenizer::NormalBytes(std::string_view spelling) const {
  return Replaced(spelling, kSpace, " ");
}

}  // namespace tinyai
