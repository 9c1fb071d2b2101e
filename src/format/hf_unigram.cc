#include "format/hf_unigram.h"

#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/hf_steps.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Unsupported(const std::string& file, std::string_view what) {
  return FailAt(ErrorCode::kUnsupported, "TOKENIZER_UNSUPPORTED",
                fmt::format("a Unigram tokenizer {} is not known", what), file);
}

std::optional<std::vector<uint8_t>> FromBase64(std::string_view text) {
  std::vector<uint8_t> out;
  uint32_t bits = 0, count = 0;
  while (text.ends_with('=')) text.remove_suffix(1);
  for (const char c : text) {
    uint32_t digit = 0;
    if (c >= 'A' && c <= 'Z') {
      digit = static_cast<uint32_t>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      digit = static_cast<uint32_t>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      digit = static_cast<uint32_t>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      digit = c == '+' ? 62 : 63;
    } else {
      return std::nullopt;
    }
    bits = bits << 6 | digit;
    if (count++ % 4 != 0) out.push_back(static_cast<uint8_t>(bits >> (6 - 2 * ((count - 1) % 4))));
  }
  return out;
}

// What the normalizer does, in the words of our tokenizer.
struct Normaliser {
  std::vector<uint8_t> charsmap;
  bool one_space = false;
};

Status ReadReplace(const std::string& file, const JsonValue& step, Normaliser& out) {
  const JsonValue* const pattern = step.Find("pattern");
  const std::string_view content = step.TextOf("content");
  const std::string_view regex = pattern == nullptr ? "" : pattern->TextOf("Regex");
  const std::string_view text = pattern == nullptr ? "" : pattern->TextOf("String");
  const bool to_space = content == " " || content == "▁";
  if (regex == " {2,}" && to_space) {
    out.one_space = true;
    return {};
  }
  if (text == " " && content == "▁") return {};  // as pieces are spelled anyway
  return Unsupported(file, fmt::format("that replaces '{}' by '{}'",
                                       Shown(regex.empty() ? text : regex), Shown(content)));
}

Result<Normaliser> ReadNormaliser(const std::string& file, const JsonValue& tokenizer) {
  Normaliser out;
  for (const JsonValue* const step : Steps(tokenizer, "normalizer")) {
    const std::string_view type = step->TextOf("type");
    if (type == "Sequence" || type == "Prepend" || type.empty()) continue;
    if (type == "Replace") {
      TRY(ReadReplace(file, *step, out));
    } else if (type == "Precompiled" && out.charsmap.empty() && !out.one_space) {
      auto bytes = FromBase64(step->TextOf("precompiled_charsmap"));
      if (!bytes) {
        return FailAt(ErrorCode::kBadFile, "TOKENIZER", "precompiled_charsmap is no base64", file);
      }
      out.charsmap = *std::move(bytes);
    } else {
      return Unsupported(file, fmt::format("with the normalizer '{}'", Shown(type)));
    }
  }
  return out;
}

struct Words {
  bool only = false;  // cut at white space
  bool split = false;
};
Result<Words> ReadPreTokenizer(const std::string& file, const JsonValue& tokenizer) {
  Words out;
  for (const JsonValue* const step : Steps(tokenizer, "pre_tokenizer")) {
    const std::string_view type = step->TextOf("type");
    if (type == "WhitespaceSplit") {
      out.only = true;
    } else if (type == "Metaspace") {
      const JsonValue* const split = step->Find("split");
      out.split = split == nullptr || split->truth() == nullptr || *split->truth();
      if (step->TextOf("replacement") != "▁") return Unsupported(file, "whose space is not '▁'");
    } else if (type != "Sequence" && !type.empty()) {
      return Unsupported(file, fmt::format("with the pre-tokenizer '{}'", Shown(type)));
    }
  }
  out.split |= out.only;
  return out;
}

}  // namespace

Status WriteHfUnigram(const std::string& file, const HfVocabulary& vocabulary,
                      std::vector<int32_t>& types, MetadataWriter& out) {
  const JsonValue& tokenizer = vocabulary.rest;
  TRY_ASSIGN(const Normaliser normaliser, ReadNormaliser(file, tokenizer));
  TRY_ASSIGN(const Words words, ReadPreTokenizer(file, tokenizer));
  if (vocabulary.scores.empty()) {
    return FailAt(ErrorCode::kBadFile, "MODEL_VOCAB", "the tokens of model.vocab have no scores",
                  file);
  }
  std::vector<float> scores = vocabulary.scores;
  scores.resize(vocabulary.tokens.size(), 0);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!std::isfinite(scores[i])) {
      return FailAt(ErrorCode::kBadFile, "MODEL_VOCAB",
                    fmt::format("the score of token {} is none", i), file);
    }
  }
  const JsonValue* const model = tokenizer.Find("model");
  const bool bytes = IsTrue(model, "byte_fallback");
  for (size_t i = 0; bytes && i < types.size(); ++i) {
    if (types[i] == kNormal && IsByteToken(vocabulary.tokens[i])) types[i] = kByte;
  }
  if (const JsonValue* const unknown = model->Find("unk_id"); unknown != nullptr) {
    const std::optional<uint64_t> id = unknown->whole();
    if (!id || *id >= types.size()) {
      return FailAt(ErrorCode::kBadFile, "MODEL_SPECIAL_TOKEN", "unk_id is no token", file);
    }
    types[*id] = kUnknown;
    out.AddU32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(*id));
  }
  out.AddString("tokenizer.ggml.model", "t5");
  out.AddStrings("tokenizer.ggml.tokens", vocabulary.tokens);
  out.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, scores);
  out.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, types);
  out.AddBool("tokenizer.ggml.add_space_prefix", AddsSpacePrefix(tokenizer));
  out.AddBool("tokenizer.ggml.remove_extra_whitespaces", words.only);
  out.AddBool("tokenizer.tmai.split_words", words.split);
  out.AddBool("tokenizer.tmai.one_space", normaliser.one_space);
  if (!normaliser.charsmap.empty()) {
    out.AddNumbers<uint8_t>("tokenizer.ggml.precompiled_charsmap", MetaType::kU8,
                            normaliser.charsmap);
  }
  return {};
}

}  // namespace tinyai
