#include "base/escape.h"
#include "command.h"
#include "engine/model.h"
#include "fmt/format.h"
#include "json.h"
#include "prompt.h"
#include "session_flags.h"

namespace tinyai {
namespace {

// `tinyai tokenize`: text to tokens, and with --ids back.
class TokenizeCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    model_.AddTo(flags);
    text_.AddTo(flags);
    flags.Value("--ids", "IDS", "the other way: the text of the tokens 1,2,3",
                [this](std::string_view text) -> Status {
                  TRY_ASSIGN(ids_, ParseTokenIds(text));
                  return {};
                });
    flags.Switch("--special", "names of control tokens in the text are these tokens, and back",
                 &special_);
    flags.Switch("--no-bos", "no tokens that begin or end the text", &no_bos_);
  }

  Result<int> Run(Console& console) override {
    TRY_ASSIGN(OpenedModelFile opened, model_.Open(console));
    TRY_ASSIGN(const std::shared_ptr<const Model> model, Model::Open(std::move(opened), {}));
    const Tokenizer& tokenizer = model->tokenizer();
    std::vector<TokenId> ids;
    if (ids_) {
      TRY(CheckIds(*ids_, tokenizer));
      ids = *ids_;
    } else {
      TRY_ASSIGN(const std::optional<std::string> text, text_.Read(console));
      TRY_ASSIGN(ids, tokenizer.Encode(text.value_or(""),
                                       {.add_special = !no_bos_, .parse_special = special_}));
    }
    TRY(console.Answer(console.json ? Dump(ToJson(tokenizer, ids))
                       : ids_       ? ToValidUtf8(tokenizer.Decode(ids, special_)) + "\n"
                                    : Table(tokenizer, ids)));
    return 0;
  }

 private:
  static Status CheckIds(std::span<const TokenId> ids, const Tokenizer& tokenizer) {
    for (const TokenId id : ids) {
      if (static_cast<uint64_t>(id) < tokenizer.size()) continue;
      return Fail(ErrorCode::kUsage, "BAD_TOKEN",
                  fmt::format("token {} is not in the vocabulary of {}", id, tokenizer.size()));
    }
    return {};
  }

  Json ToJson(const Tokenizer& tokenizer, std::span<const TokenId> ids) const {
    Json out;
    out["kind"] = tokenizer.kind();
    out["vocabulary"] = tokenizer.size();
    out["tokens"] = std::vector<TokenId>(ids.begin(), ids.end());
    Json& pieces = out["pieces"] = Json::array();
    for (const TokenId id : ids) pieces.push_back(std::string(tokenizer.Piece(id)));
    out["text"] = tokenizer.Decode(ids, special_);
    return out;
  }

  static std::string Table(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
    std::string out;
    for (const TokenId id : ids) {
      out += fmt::format("{:>7}  {}\n", id, EscapeControl(tokenizer.Piece(id)));
    }
    return out;
  }

  ModelFlags model_;
  TextFlags text_;
  std::optional<std::vector<TokenId>> ids_;
  bool special_ = false;
  bool no_bos_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeTokenizeCommand() { return std::make_unique<TokenizeCommand>(); }

}  // namespace tinyai
