#pragma once

// What the tests of the tokenizers share: small model headers made in memory.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "format/gguf_writer.h"
#include "format/memory_source.h"
#include "format/model_file.h"
#include "text/byte_alphabet.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace tinyai {

// "token_type" values.
enum : int32_t { kNormalType = 1, kUnknownType, kControlType, kUserType, kUnusedType, kByteType };

inline Result<Metadata> ParseMetadata(std::span<const std::byte> file) {
  const OpenSource open = [](const std::string& path) -> Result<std::unique_ptr<ByteSource>> {
    return FailAt(ErrorCode::kIo, "OPEN", "no such file", path);
  };
  std::vector<std::unique_ptr<ByteSource>> parts;
  TRY_ASSIGN(ModelFile model,
             ReadGguf(std::make_unique<MemorySource>("test.gguf", file), open, parts));
  return std::move(model.metadata);
}

inline Metadata MetadataOf(const GgufWriter& writer) {
  return ParseMetadata(writer.Header()).value();
}

// The tokenizer of a model header with the keys of `writer` and `rows` rows of embedding.
inline Result<std::unique_ptr<Tokenizer>> TokenizerOf(const GgufWriter& writer, uint64_t rows) {
  return Tokenizer::FromMetadata(MetadataOf(writer), rows);
}

// The key of the error, or "" if there is none.
template <typename T>
std::string_view KeyOf(const Result<T>& result) {
  return result ? std::string_view() : result.error().key;
}

// A small vocabulary being put together.
struct TestVocabulary {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> types;
  std::vector<std::string> merges;

  TokenId Add(std::string token, int32_t type = kNormalType, float score = 0) {
    tokens.push_back(std::move(token));
    types.push_back(type);
    scores.push_back(score);
    return static_cast<TokenId>(tokens.size() - 1);
  }
  // Adds the token that the two make together (a merge "left right").
  TokenId AddMerge(const std::string& left, const std::string& right) {
    merges.push_back(left + " " + right);
    return Add(left + right);
  }

  // <unk>, <s>, </s>, then the 256 byte tokens.
  static TestVocabulary Spm() {
    TestVocabulary vocabulary;
    vocabulary.Add("<unk>", kUnknownType);
    vocabulary.Add("<s>", kControlType);
    vocabulary.Add("</s>", kControlType);
    for (int byte = 0; byte < 256; ++byte) {
      char spelling[8];
      std::snprintf(spelling, sizeof(spelling), "<0x%02X>", static_cast<unsigned>(byte));
      vocabulary.Add(spelling, kByteType);
    }
    return vocabulary;
  }
  // The 256 bytes: token id = byte.
  static TestVocabulary Bpe() {
    TestVocabulary vocabulary;
    for (int byte = 0; byte < 256; ++byte) {
      std::string spelling;
      AppendUtf8(SpellingOfByte(static_cast<uint8_t>(byte)), spelling);
      vocabulary.Add(spelling);
    }
    return vocabulary;
  }

  // The keys of a model with this vocabulary; `pre` only for BPE.
  GgufWriter Writer(std::string_view kind, std::string_view pre = {}) const {
    GgufWriter writer;
    writer.AddString("general.architecture", "llama");
    writer.AddString("tokenizer.ggml.model", kind);
    if (!pre.empty()) writer.AddString("tokenizer.ggml.pre", pre);
    writer.AddStrings("tokenizer.ggml.tokens", tokens);
    writer.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, scores);
    writer.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, types);
    if (kind == "gpt2") writer.AddStrings("tokenizer.ggml.merges", merges);
    return writer;
  }
  std::unique_ptr<Tokenizer> Make(std::string_view kind, std::string_view pre = {}) const {
    return TokenizerOf(Writer(kind, pre), tokens.size()).value();
  }
};

// Tokens of `text` alone, without the ones that the file asks to add.
inline std::vector<TokenId> Tokens(const Tokenizer& tokenizer, std::string_view text,
                                   bool parse_special = false) {
  EncodeOptions options;
  options.add_special = false;
  options.parse_special = parse_special;
  return tokenizer.Encode(text, options).value();
}

// The bytes of a file; nothing if it cannot be read.
inline std::optional<std::string> ReadWholeFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// The tokenizer of the model file at `path`; nullptr if there is no such file.
inline std::unique_ptr<Tokenizer> OpenTokenizer(const std::string& path) {
  const std::optional<std::string> bytes = ReadWholeFile(path);
  if (!bytes) return nullptr;
  const Metadata metadata =
      ParseMetadata(std::as_bytes(std::span(bytes->data(), bytes->size()))).value();
  return Tokenizer::FromMetadata(metadata, metadata.Find("tokenizer.ggml.tokens")->count).value();
}

}  // namespace tinyai
