#include "text/read_vocabulary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <string>

#include "base/escape.h"
#include "fmt/format.h"
#include "text/vocabulary_tokenizer.h"

namespace tinyai {
namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kScores = "tokenizer.ggml.scores";
constexpr std::string_view kTokenType = "tokenizer.ggml.token_type";
constexpr std::string_view kMerges = "tokenizer.ggml.merges";

// The traits of the values of "token_type".
constexpr std::array<uint8_t, 7> kTraitsOfType = {
    0,                  // 0 undefined
    kTokenNormal,       // 1
    kTokenUnknown,      // 2
    kTokenControl,      // 3
    kTokenUserDefined,  // 4
    kTokenUnused,       // 5
    kTokenByte,         // 6
};

tl::unexpected<Error> BadVocabulary(std::string message) {
  return Fail(ErrorCode::kBadFile, "MODEL_VOCAB", std::move(message));
}

// The array `key`, whose items have one of `types`; nullptr if there is none.
Result<const MetaValue*> FindArray(const Metadata& metadata, std::string_view key,
                                   std::initializer_list<MetaType> types) {
  const MetaValue* value = metadata.Find(key);
  if (value == nullptr) return nullptr;
  if (!value->is_array || std::find(types.begin(), types.end(), value->type) == types.end()) {
    return FailAt(
        ErrorCode::kBadFile, "GGUF_ARRAY_TYPE",
        fmt::format("{} is {}{}, expected an array of {}", key,
                    value->is_array ? "an array of " : "", Name(value->type), Name(*types.begin())),
        {}, value->offset);
  }
  return value;
}

// As FindArray, for arrays with one item of four bytes per token.
Result<const MetaValue*> FindPerToken(const Metadata& metadata, std::string_view key,
                                      std::initializer_list<MetaType> types, uint64_t tokens) {
  TRY_ASSIGN(const MetaValue* value, FindArray(metadata, key, types));
  if (value == nullptr) return nullptr;
  if (value->count != tokens || value->bytes.size() != tokens * 4) {
    return BadVocabulary(fmt::format("{} has {} items for {} tokens", key, value->count, tokens));
  }
  return value;
}

template <typename T>
T Item(const MetaValue& array, uint64_t i) {
  T item;
  std::memcpy(&item, array.bytes.data() + i * sizeof(T), sizeof(T));
  return item;
}

Result<float> ScoreOf(const MetaValue* scores, uint64_t i) {
  if (scores == nullptr) return 0.0f;
  if (scores->type == MetaType::kI32) return static_cast<float>(Item<int32_t>(*scores, i));
  const float score = Item<float>(*scores, i);
  if (std::isnan(score)) return BadVocabulary(fmt::format("{}[{}] is NaN", kScores, i));
  return score;
}

Result<uint8_t> TraitsOf(const MetaValue* types, uint64_t i, std::string_view spelling) {
  if (types == nullptr) return static_cast<uint8_t>(kTokenNormal);
  const uint32_t type = Item<uint32_t>(*types, i);
  if (type >= kTraitsOfType.size()) {
    return BadVocabulary(fmt::format("{}[{}] is {}; types go from 0 to {}", kTokenType, i, type,
                                     kTraitsOfType.size() - 1));
  }
  const uint8_t traits = kTraitsOfType[type];
  if (traits == kTokenByte && !ParseByteToken(spelling)) {
    return BadVocabulary(fmt::format("token {} is a byte token, but spelled '{}' instead of <0xNN>",
                                     i, EscapeControl(spelling.substr(0, 32))));
  }
  return traits;
}

// How many tokens the file says there are must agree everywhere.
Status CheckCount(const Metadata& metadata, uint64_t tokens, uint64_t vocab_size) {
  if (tokens == 0) return BadVocabulary(fmt::format("{} is empty", kTokens));
  if (tokens != vocab_size) {
    return BadVocabulary(fmt::format("{} has {} tokens, the model's embedding {} rows", kTokens,
                                     tokens, vocab_size));
  }
  TRY_ASSIGN(const auto architecture, metadata.OptionalString("general.architecture"));
  const std::string key = fmt::format("{}.vocab_size", architecture.value_or(""));
  TRY_ASSIGN(const std::optional<uint64_t> stated, metadata.OptionalUint(key));
  if (stated && *stated != tokens) {
    return BadVocabulary(fmt::format("{} is {}, but there are {} tokens", key, *stated, tokens));
  }
  return {};
}

}  // namespace

Result<Vocabulary> ReadVocabulary(const Metadata& metadata, uint64_t vocab_size, bool with_scores) {
  TRY_ASSIGN(const MetaValue* tokens, FindArray(metadata, kTokens, {MetaType::kString}));
  if (tokens == nullptr) return BadVocabulary(fmt::format("{} is missing", kTokens));
  const uint64_t count = tokens->count;
  TRY(CheckCount(metadata, count, vocab_size));
  TRY_ASSIGN(const MetaValue* scores,
             FindPerToken(metadata, kScores, {MetaType::kF32, MetaType::kI32}, count));
  TRY_ASSIGN(const MetaValue* types,
             FindPerToken(metadata, kTokenType, {MetaType::kI32, MetaType::kU32}, count));
  if (tokens->bytes.size() / 8 < count) {
    return BadVocabulary(fmt::format("{} has no bytes for its {} tokens", kTokens, count));
  }
  Vocabulary vocabulary;
  TRY(vocabulary.Reserve(count, tokens->bytes.size() - 8 * count,
                         with_scores && scores != nullptr));
  TRY(metadata.VisitStrings(kTokens, [&](uint64_t i, std::string_view spelling) -> Status {
    TRY_ASSIGN(const float score, ScoreOf(scores, i));
    TRY_ASSIGN(const uint8_t traits, TraitsOf(types, i, spelling));
    return vocabulary.Add(spelling, traits, score);
  }));
  return vocabulary;
}

Result<MergeTable> ReadMerges(const Metadata& metadata, const Vocabulary& vocabulary,
                              uint64_t& skipped) {
  TRY_ASSIGN(const MetaValue* value, FindArray(metadata, kMerges, {MetaType::kString}));
  if (value == nullptr) {
    return Fail(ErrorCode::kBadFile, "MODEL_MERGES", fmt::format("{} is missing", kMerges));
  }
  skipped = 0;
  MergeTable merges;
  // Known files have at most 2.2 merges per token; a file with more pays for them as they come.
  merges.Reserve(std::min<uint64_t>(value->count, uint64_t{3} * vocabulary.size()));
  std::string joined;
  TRY(metadata.VisitStrings(kMerges, [&](uint64_t i, std::string_view text) -> Status {
    const size_t space = text.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == text.size()) {
      return Fail(ErrorCode::kBadFile, "MODEL_MERGES",
                  fmt::format("{}[{}] is '{}', not two tokens with a space between", kMerges, i,
                              EscapeControl(text.substr(0, 64))));
    }
    const std::string_view left = text.substr(0, space);
    const std::string_view right = text.substr(space + 1);
    if (left.size() + right.size() <= vocabulary.longest()) {
      joined.assign(left).append(right);
      const std::optional<TokenId> merged = vocabulary.Find(joined);
      const std::optional<TokenId> left_id = merged ? vocabulary.Find(left) : std::nullopt;
      const std::optional<TokenId> right_id = left_id ? vocabulary.Find(right) : std::nullopt;
      if (right_id) return merges.Add({*left_id, *right_id, *merged});
    }
    ++skipped;
    return {};
  }));
  merges.ShrinkToFit();
  return merges;
}

}  // namespace tinyai
