#include "text/tokenizer.h"

#include <cstring>

#include "base/escape.h"
#include "fmt/format.h"
#include "text/bpe_tokenizer.h"
#include "text/read_vocabulary.h"
#include "text/special_ids.h"
#include "text/spm_tokenizer.h"
#include "text/unigram_tokenizer.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Unsupported(std::string_view what, std::string_view name,
                                  std::string_view known) {
  return Fail(ErrorCode::kUnsupported, "TOKENIZER_UNSUPPORTED",
              fmt::format("{} '{}' is not known; known are: {}", what,
                          EscapeControl(name.substr(0, 64)), known));
}

// SentencePiece's table for normalising text: a length, that many bytes, then strings. We use
// none, but a table that does not hold together is a damaged file.
Status CheckCharsMap(const Metadata& metadata) {
  constexpr std::string_view kKey = "tokenizer.ggml.precompiled_charsmap";
  const MetaValue* value = metadata.Find(kKey);
  if (value == nullptr) return {};
  const bool is_bytes =
      value->is_array && (value->type == MetaType::kU8 || value->type == MetaType::kI8);
  uint32_t table_bytes = 0;
  if (is_bytes && value->bytes.size() >= sizeof(table_bytes)) {
    std::memcpy(&table_bytes, value->bytes.data(), sizeof(table_bytes));
    if (table_bytes < value->bytes.size() - sizeof(table_bytes)) return {};
  }
  return FailAt(
      ErrorCode::kBadFile, "TOKENIZER",
      fmt::format("{} is damaged: its table of {} bytes does not fit into it", kKey, table_bytes),
      {}, value->offset);
}

void WarnOfVocabulary(TokenizerData& data) {
  const Vocabulary& vocabulary = data.vocabulary;
  if (vocabulary.duplicates() > 0) {
    data.warnings.push_back(
        fmt::format("{} tokens are spelled like an earlier one; text becomes the first",
                    vocabulary.duplicates()));
  }
  if (vocabulary.empty_tokens() > 0) {
    data.warnings.push_back(
        fmt::format("{} tokens are empty; no text becomes them", vocabulary.empty_tokens()));
  }
}

Result<std::unique_ptr<Tokenizer>> ReadSpm(const Metadata& metadata, uint64_t vocab_size) {
  TRY(CheckCharsMap(metadata));
  TokenizerData data;
  TRY_ASSIGN(data.vocabulary, ReadVocabulary(metadata, vocab_size, true));
  WarnOfVocabulary(data);
  if (!metadata.Has("tokenizer.ggml.scores")) {
    data.warnings.push_back(
        "the tokens have no scores: of two pieces the left one is joined first");
  }
  SpecialDefaults defaults;
  defaults.bos = 1;
  defaults.eos = 2;
  defaults.unknown = 0;
  defaults.add_bos = true;
  defaults.add_space_prefix = true;
  TRY(ReadSpecialIds(metadata, defaults, data));
  return std::unique_ptr<Tokenizer>(SpmTokenizer::Make(std::move(data)));
}

Result<CharsMap> ReadCharsMap(const Metadata& metadata) {
  const MetaValue* const value = metadata.Find("tokenizer.ggml.precompiled_charsmap");
  if (value == nullptr || value->bytes.empty()) return CharsMap();
  return CharsMap::Make(value->is_array ? value->bytes : std::span<const std::byte>());
}

Result<std::unique_ptr<Tokenizer>> ReadUnigram(const Metadata& metadata, uint64_t vocab_size) {
  TokenizerData data;
  TRY_ASSIGN(data.vocabulary, ReadVocabulary(metadata, vocab_size, true));
  WarnOfVocabulary(data);
  if (!metadata.Has("tokenizer.ggml.scores")) {
    return Fail(ErrorCode::kBadFile, "MODEL_VOCAB",
                "tokenizer.ggml.scores is missing: a unigram model is its scores");
  }
  SpecialDefaults defaults;
  defaults.add_space_prefix = true;
  for (TokenId id = 0; !defaults.unknown && data.vocabulary.Has(id); ++id) {
    if (data.vocabulary.Is(id, kTokenUnknown)) defaults.unknown = id;
  }
  TRY(ReadSpecialIds(metadata, defaults, data));
  UnigramSettings settings;
  TRY_ASSIGN(settings.normaliser, ReadCharsMap(metadata));
  TRY_ASSIGN(const auto words, metadata.OptionalBool("tokenizer.ggml.remove_extra_whitespaces"));
  TRY_ASSIGN(const auto one_space, metadata.OptionalBool("tokenizer.tmai.one_space"));
  TRY_ASSIGN(const auto split, metadata.OptionalBool("tokenizer.tmai.split_words"));
  settings.words_only = words.value_or(false);
  settings.one_space = one_space.value_or(false);
  settings.split_words = split.value_or(false);
  return std::unique_ptr<Tokenizer>(UnigramTokenizer::Make(std::move(data), std::move(settings)));
}

Result<std::unique_ptr<Tokenizer>> ReadBpe(const Metadata& metadata, uint64_t vocab_size) {
  TokenizerData data;
  TRY_ASSIGN(const std::optional<std::string_view> name,
             metadata.OptionalString("tokenizer.ggml.pre"));
  const bool unnamed = !name || name->empty();
  const PreTokenizer* const pre = FindPreTokenizer(unnamed ? "default" : *name);
  if (pre == nullptr) return Unsupported("pre-tokenizer", *name, PreTokenizerNames());
  TRY_ASSIGN(data.vocabulary, ReadVocabulary(metadata, vocab_size, false));
  WarnOfVocabulary(data);
  uint64_t skipped = 0;
  TRY_ASSIGN(MergeTable merges, ReadMerges(metadata, data.vocabulary, skipped));
  if (unnamed) {
    data.warnings.push_back("the file names no pre-tokenizer; text is cut as for 'default'");
  }
  if (skipped > 0) {
    data.warnings.push_back(fmt::format("{} merges are of no tokens and never happen", skipped));
  }
  SpecialDefaults defaults;
  defaults.add_bos = pre->add_bos;
  TRY(ReadSpecialIds(metadata, defaults, data));
  TRY_ASSIGN(std::unique_ptr<BpeTokenizer> tokenizer,
             BpeTokenizer::Make(std::move(data), std::move(merges), *pre));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::FromMetadata(const Metadata& metadata,
                                                           uint64_t vocab_size) {
  TRY_ASSIGN(const std::optional<std::string_view> kind,
             metadata.OptionalString("tokenizer.ggml.model"));
  if (!kind) {
    return Fail(ErrorCode::kBadFile, "TOKENIZER",
                "tokenizer.ggml.model is missing: the file does not say how text becomes tokens");
  }
  if (*kind == "llama") return ReadSpm(metadata, vocab_size);
  if (*kind == "gpt2") return ReadBpe(metadata, vocab_size);
  if (*kind == "t5") return ReadUnigram(metadata, vocab_size);
  return Unsupported("tokenizer", *kind, "llama, gpt2, t5");
}

}  // namespace tinyai
