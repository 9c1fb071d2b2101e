#include "format/hf_vocabulary.h"

#include "fmt/format.h"
#include "format/gguf_input.h"
#include "format/limits.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostFileBytes = uint64_t{64} << 20;

// {"token": id, ..} or, of a unigram model, [["token", score], ..]
class VocabularyEvents : public JsonEvents {
 public:
  VocabularyEvents(const std::string& file, uint64_t most, HfVocabulary& out)
      : file_(file), most_(most), out_(out) {}
  Status Begin(Container kind) override {
    const bool list = kind == Container::kArray;
    if (depth_ == 0) is_list_ = list;
    if (++depth_ > (is_list_ ? 2 : 1) || (depth_ == 2 && !list)) return Bad();
    if (depth_ == 2) parts_ = 0;
    return {};
  }
  Status End() override { return depth_-- == 2 && parts_ != 2 ? Status(Bad()) : Status(); }
  Status Key(std::string key) override {
    key_ = std::move(key);
    return {};
  }
  Status Value(JsonScalar value) override {
    if (is_list_) return Part(std::move(value));
    const auto* const id = std::get_if<uint64_t>(&value);
    if (id != nullptr) return PlaceToken(file_, std::move(key_), *id, most_, out_);
    return FailAt(ErrorCode::kBadFile, "MODEL_VOCAB",
                  fmt::format("the id of the token '{}' is no whole number", Shown(key_)), file_);
  }

 private:
  tl::unexpected<Error> Bad() const {
    return FailAt(ErrorCode::kBadFile, "TOKENIZER",
                  "model.vocab is neither an object of ids nor a list of tokens with scores",
                  file_);
  }
  // A token, then its score.
  Status Part(JsonScalar value) {
    if (depth_ != 2 || ++parts_ > 2) return Bad();
    if (parts_ == 1) {
      auto* const token = std::get_if<std::string>(&value);
      if (token == nullptr) return Bad();
      return PlaceToken(file_, std::move(*token), out_.scores.size(), most_, out_);
    }
    const std::optional<double> score = JsonValue{.scalar = std::move(value)}.number();
    if (!score) return Bad();
    out_.scores.push_back(static_cast<float>(*score));
    return {};
  }

  const std::string& file_;
  const uint64_t most_;
  HfVocabulary& out_;
  int depth_ = 0;
  bool is_list_ = false;
  int parts_ = 0;
  std::string key_;
};

// ["left right", ..] or [["left", "right"], ..]
class MergesEvents : public JsonEvents {
 public:
  MergesEvents(const std::string& file, HfVocabulary& out) : file_(file), out_(out) {}
  Status Begin(Container kind) override {
    ++depth_;
    if (kind != Container::kArray || depth_ > 2) return Bad();
    if (depth_ == 2) parts_ = 0;
    return {};
  }
  Status End() override { return depth_-- == 2 && parts_ != 2 ? Status(Bad()) : Status(); }
  Status Key(std::string) override { return Bad(); }
  Status Value(JsonScalar value) override {
    auto* const text = std::get_if<std::string>(&value);
    if (text == nullptr || depth_ == 0) return Bad();
    if (depth_ == 2 && ++parts_ == 2) {
      out_.merges.back() += ' ';
      out_.merges.back() += *text;
      return {};
    }
    if (depth_ == 2 && parts_ > 2) return Bad();
    if (out_.merges.size() == kMaxGgufArrayItems) return Bad();
    out_.merges.push_back(std::move(*text));
    return {};
  }

 private:
  tl::unexpected<Error> Bad() const {
    return FailAt(ErrorCode::kBadFile, "MODEL_MERGES",
                  fmt::format("model.merges: number {} is no pair of tokens", out_.merges.size()),
                  file_);
  }

  const std::string& file_;
  HfVocabulary& out_;
  int depth_ = 0;
  int parts_ = 0;
};

}  // namespace

Status PlaceToken(const std::string& file, std::string token, uint64_t id, uint64_t most_tokens,
                  HfVocabulary& out) {
  if (id >= most_tokens) {
    return FailAt(ErrorCode::kBadFile, "MODEL_VOCAB",
                  fmt::format("the token '{}' has the id {}, the model's embedding {} rows: a "
                              "tokenizer of another model?",
                              Shown(token), id, most_tokens),
                  file);
  }
  if (id >= out.tokens.size()) {
    out.tokens.resize(id + 1);
    out.present.resize(id + 1, false);
  }
  if (out.present[id] && out.tokens[id] != token) {
    return FailAt(ErrorCode::kBadFile, "MODEL_VOCAB",
                  fmt::format("the tokens '{}' and '{}' have the same id {}", Shown(out.tokens[id]),
                              Shown(token), id),
                  file);
  }
  out.present[id] = true;
  out.tokens[id] = std::move(token);
  return {};
}

Result<HfVocabulary> ReadHfVocabulary(const ByteSource& source, uint64_t most_tokens) {
  HfVocabulary out;
  VocabularyEvents vocabulary(source.path(), most_tokens, out);
  MergesEvents merges(source.path(), out);
  const JsonDiversion divert = [&](std::span<const std::string> keys) -> JsonEvents* {
    if (keys.size() != 2 || keys[0] != "model") return nullptr;
    if (keys[1] == "vocab") return &vocabulary;
    if (keys[1] == "merges") return &merges;
    return nullptr;
  };
  TRY_ASSIGN(out.rest, ReadJsonValue(source, kMostFileBytes, {"TOKENIZER", "TOKENIZER"}, divert));
  return out;
}

}  // namespace tinyai
