#include "format/hf_tokenizer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/hf_steps.h"
#include "format/hf_unigram.h"
#include "format/hf_vocabulary.h"

namespace tinyai {
namespace {

// The patterns by which known families cut text, as their files spell them, and what we call them.
struct KnownPattern {
  std::string_view pattern, name;
};
constexpr std::array kPatterns = {
    KnownPattern{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?)"
                 R"([^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                 "llama-bpe"},
    KnownPattern{R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?)"
                 R"([^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                 "qwen2"},
    KnownPattern{R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
                 R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
                 R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                 "tekken"},
};

// The text of a special token: as such, or as an object that holds it.
std::string_view TokenText(const JsonValue& settings, std::string_view key) {
  const JsonValue* const value = settings.Find(key);
  if (value == nullptr) return {};
  return value->text() != nullptr ? std::string_view(*value->text()) : value->TextOf("content");
}

class TokenizerWriter {
 public:
  TokenizerWriter(const std::string& file, HfVocabulary vocabulary, const JsonValue& settings,
                  const HfConfig& config, MetadataWriter& out)
      : file_(file),
        vocabulary_(std::move(vocabulary)),
        json_(vocabulary_.rest),
        settings_(settings),
        config_(config),
        out_(out) {}

  Status Write() {
    const JsonValue* const model = json_.Find("model");
    if (model == nullptr || !model->is_object()) return Bad("model is missing");
    const std::string_view type = model->TextOf("type");
    if (type == "Unigram") {
      TRY(CheckVocabulary());
      TRY(AddTokens());
      TRY(WriteHfUnigram(file_, vocabulary_, types_, out_));
      return WriteSpecial();
    }
    const bool looks_like_bpe = type.empty() && !vocabulary_.merges.empty();
    if (type != "BPE" && !looks_like_bpe) {
      return Unsupported(fmt::format(
          "a tokenizer of type '{}' is not known; known are BPE and Unigram", Shown(type)));
    }
    TRY(CheckVocabulary());
    TRY(AddTokens());
    const auto pre = Steps(json_, "pre_tokenizer");
    const bool byte_level = FindStep(pre, "ByteLevel") != nullptr ||
                            FindStep(Steps(json_, "decoder"), "ByteLevel") != nullptr;
    if (byte_level) {
      TRY(WriteByteLevel(pre));
    } else if (IsTrue(model, "byte_fallback")) {
      TRY(WriteSentencePiece(model->TextOf("unk_token")));
    } else {
      return Unsupported("a BPE tokenizer that is neither byte-level nor has byte_fallback");
    }
    return WriteSpecial();
  }

 private:
  tl::unexpected<Error> Fault(ErrorCode code, std::string_view error, std::string message) const {
    return FailAt(code, error, std::move(message), file_);
  }
  tl::unexpected<Error> Bad(std::string message) const {
    return Fault(ErrorCode::kBadFile, "TOKENIZER", std::move(message));
  }
  tl::unexpected<Error> Vocabulary(std::string message) const {
    return Fault(ErrorCode::kBadFile, "MODEL_VOCAB", std::move(message));
  }
  tl::unexpected<Error> Unsupported(std::string message) const {
    return Fault(ErrorCode::kUnsupported, "TOKENIZER_UNSUPPORTED", std::move(message));
  }

  Status CheckVocabulary() const {
    if (!vocabulary_.tokens.empty()) return {};
    return Vocabulary("model.vocab is empty");
  }

  // Those of the vocabulary, those added to it, and unused ones for ids without a token.
  Status AddTokens() {
    types_.assign(vocabulary_.tokens.size(), kNormal);
    const JsonValue* const added = json_.Find("added_tokens");
    if (added != nullptr && !added->is_array()) return Bad("added_tokens is no list");
    for (size_t i = 0; added != nullptr && i < added->items.size(); ++i) {
      const JsonValue& token = added->items[i];
      const JsonValue* const id = token.Find("id");
      const JsonValue* const content = token.Find("content");
      if (id == nullptr || !id->whole() || content == nullptr || content->text() == nullptr) {
        return Bad(fmt::format("added_tokens: number {} has no id or no content", i));
      }
      TRY(PlaceToken(file_, *content->text(), *id->whole(), config_.vocabulary, vocabulary_));
      types_.resize(vocabulary_.tokens.size(), kNormal);
      types_[*id->whole()] = IsTrue(&token, "special") ? kControl : kUserDefined;
    }
    vocabulary_.tokens.resize(config_.vocabulary);
    vocabulary_.present.resize(config_.vocabulary, false);
    types_.resize(config_.vocabulary, kUnused);
    for (size_t i = 0; i < types_.size(); ++i) {
      if (vocabulary_.present[i]) continue;
      vocabulary_.tokens[i] = fmt::format("[PAD{}]", i);
      types_[i] = kUnused;
    }
    return {};
  }

  Status WriteByteLevel(std::span<const JsonValue* const> pre) {
    TRY_ASSIGN(const std::string_view name, PreTokenizerName(pre));
    if (vocabulary_.merges.empty()) {
      return Fault(ErrorCode::kBadFile, "MODEL_MERGES", "model.merges is missing");
    }
    out_.AddString("tokenizer.ggml.model", "gpt2");
    out_.AddString("tokenizer.ggml.pre", name);
    out_.AddStrings("tokenizer.ggml.tokens", vocabulary_.tokens);
    out_.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, types_);
    out_.AddStrings("tokenizer.ggml.merges", vocabulary_.merges);
    return {};
  }

  Result<std::string_view> PreTokenizerName(std::span<const JsonValue* const> pre) const {
    const JsonValue* const split = FindStep(pre, "Split");
    const JsonValue* const bytes = FindStep(pre, "ByteLevel");
    const JsonValue* const digits = FindStep(pre, "Digits");
    if (split == nullptr) {
      const JsonValue* const use = bytes == nullptr ? nullptr : bytes->Find("use_regex");
      const bool uses_pattern = use == nullptr || use->truth() == nullptr || *use->truth();
      if (bytes != nullptr && uses_pattern && !IsTrue(bytes, "add_prefix_space")) {
        if (digits == nullptr) return "gpt-2";
        if (IsTrue(digits, "individual_digits")) return "starcoder";
      }
      return Unsupported("a pre-tokenizer without a pattern that is known");
    }
    const JsonValue* const pattern = split->Find("pattern");
    const std::string_view text = pattern == nullptr ? "" : pattern->TextOf("Regex");
    for (const KnownPattern& known : kPatterns) {
      if (known.pattern == text && digits == nullptr) return known.name;
    }
    return Unsupported(
        fmt::format("the pattern '{}' of the pre-tokenizer is not known", Shown(text)));
  }

  // SentencePiece joins the two pieces whose union scores best; here the merge that makes a piece
  // has a rank, and lower ranks come first.
  Status WriteSentencePiece(std::string_view unknown) {
    std::unordered_map<std::string_view, size_t> ids;
    ids.reserve(vocabulary_.tokens.size());
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) ids.emplace(vocabulary_.tokens[i], i);
    const auto worst = -static_cast<float>(vocabulary_.merges.size() + 1);
    std::vector<float> scores(vocabulary_.tokens.size(), worst);
    std::vector<bool> ranked(scores.size(), false);
    for (size_t rank = 0; rank < vocabulary_.merges.size(); ++rank) {
      std::string joined = vocabulary_.merges[rank];
      const size_t space = joined.find(' ', 1);
      if (space != std::string::npos) joined.erase(space, 1);
      const auto found = ids.find(joined);
      if (found == ids.end() || ranked[found->second]) continue;
      ranked[found->second] = true;
      scores[found->second] = -static_cast<float>(rank);
    }
    for (size_t i = 0; i < types_.size(); ++i) {
      if (types_[i] == kNormal && IsByteToken(vocabulary_.tokens[i])) types_[i] = kByte;
      if (types_[i] != kNormal) scores[i] = 0;
    }
    if (const auto found = ids.find(unknown); !unknown.empty() && found != ids.end()) {
      types_[found->second] = kUnknown;
      out_.AddU32("tokenizer.ggml.unknown_token_id", static_cast<uint32_t>(found->second));
    }
    out_.AddString("tokenizer.ggml.model", "llama");
    out_.AddStrings("tokenizer.ggml.tokens", vocabulary_.tokens);
    out_.AddNumbers<float>("tokenizer.ggml.scores", MetaType::kF32, scores);
    out_.AddNumbers<int32_t>("tokenizer.ggml.token_type", MetaType::kI32, types_);
    out_.AddBool("tokenizer.ggml.add_space_prefix", AddsSpacePrefix(json_));
    return {};
  }

  std::optional<uint64_t> IdOf(std::string_view token) const {
    if (token.empty()) return std::nullopt;
    const auto found = std::find(vocabulary_.tokens.begin(), vocabulary_.tokens.end(), token);
    if (found == vocabulary_.tokens.end()) return std::nullopt;
    return static_cast<uint64_t>(found - vocabulary_.tokens.begin());
  }

  Status AddId(std::string_view name, const std::optional<uint64_t>& id) {
    if (!id) return {};
    if (*id >= config_.vocabulary) {
      return Fault(ErrorCode::kBadFile, "MODEL_SPECIAL_TOKEN",
                   fmt::format("the {} token has the id {}, the vocabulary {} tokens", name, *id,
                               config_.vocabulary));
    }
    out_.AddU32(fmt::format("tokenizer.ggml.{}_token_id", name), static_cast<uint32_t>(*id));
    return {};
  }

  Status WriteSpecial() {
    std::optional<uint64_t> bos = IdOf(TokenText(settings_, "bos_token"));
    if (!bos) bos = config_.bos;
    std::optional<uint64_t> eos = IdOf(TokenText(settings_, "eos_token"));
    std::vector<uint64_t> ends = config_.eos;
    if (!eos && !ends.empty()) eos = ends[0];
    if (eos) std::erase(ends, *eos);
    TRY(AddId("bos", bos));
    TRY(AddId("eos", eos));
    if (!ends.empty()) TRY(AddId("eot", ends[0]));
    if (ends.size() > 1) TRY(AddId("eom", ends[1]));
    TRY(AddId("padding", IdOf(TokenText(settings_, "pad_token"))));
    const JsonValue* const add_bos = settings_.Find("add_bos_token");
    const bool stated = add_bos != nullptr && add_bos->truth() != nullptr;
    out_.AddBool("tokenizer.ggml.add_bos_token",
                 bos && (stated ? *add_bos->truth() : TemplateBeginsWithToken()));
    out_.AddBool("tokenizer.ggml.add_eos_token", eos && IsTrue(&settings_, "add_eos_token"));
    const std::string_view chat = settings_.TextOf("chat_template");
    if (!chat.empty()) out_.AddString("tokenizer.chat_template", chat);
    return {};
  }

  // Whether the post-processor puts a special token before a text.
  bool TemplateBeginsWithToken() const {
    const auto steps = Steps(json_, "post_processor");
    const JsonValue* const step = FindStep(steps, "TemplateProcessing");
    const JsonValue* const single = step == nullptr ? nullptr : step->Find("single");
    return single != nullptr && single->is_array() && !single->items.empty() &&
           single->items[0].Find("SpecialToken") != nullptr;
  }

  const std::string& file_;
  HfVocabulary vocabulary_;
  const JsonValue& json_;
  const JsonValue& settings_;
  const HfConfig& config_;
  MetadataWriter& out_;
  std::vector<int32_t> types_;
};

}  // namespace

Status ReadHfTokenizer(const ByteSource& tokenizer, const JsonValue& settings,
                       const HfConfig& config, MetadataWriter& out) {
  if (config.vocabulary > (uint64_t{1} << 24)) {
    return Fail(
        ErrorCode::kBadFile, "MODEL_VOCAB",
        fmt::format("a vocabulary of {} tokens, the most is {}", config.vocabulary, 1 << 24));
  }
  TRY_ASSIGN(HfVocabulary vocabulary, ReadHfVocabulary(tokenizer, config.vocabulary));
  return TokenizerWriter(tokenizer.path(), std::move(vocabulary), settings, config, out).Write();
}

}  // namespace tinyai
