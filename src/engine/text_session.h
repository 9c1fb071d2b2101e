#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "engine/generate.h"
#include "engine/session.h"

namespace tinyai {

// A text that its owner and a model write by turns. What was added is computed when the model is to
// go on. One thread at a time uses it; RequestStop may be called from any.
class TextSession {
 public:
  // As Session::Open; the plan's budget bounds the session by itself, and `shared`, which outlives
  // it, together with others.
  static Result<std::unique_ptr<TextSession>> Open(std::shared_ptr<const Model> model,
                                                   SessionPlan plan, Budget* shared = nullptr);

  // Text at the end of what there is; with the tokens that begin a text if there is nothing yet.
  // `special`: spellings of control tokens, such as <|im_end|>, stand for these. Errors, and
  // nothing changed: CONTEXT_FULL, those of Tokenizer::Encode.
  Status Add(std::string_view text, bool special = false);
  // Errors CONTEXT_FULL, BAD_TOKEN.
  Status Add(std::span<const TokenId> tokens);

  // All of the text, computed or not. With Restore it is a snapshot: what the text has in common
  // with `tokens` at its beginning is not computed again, and all that follows has the same bits.
  std::span<const TokenId> tokens() const { return tokens_; }
  // `tokens` is not part of this text. Errors as Add.
  Status Restore(std::span<const TokenId> tokens);

  // Lets the model go on; `out.tokens` are the new ones, which the text has from then on, whatever
  // ended it. Errors NO_PROMPT (no text, and no token that begins one), CONTEXT_FULL (no room for
  // another token), BAD_OPTION, those of Session::Feed; what was computed so far stays.
  Status Generate(const GenerateOptions& options, const GenerateHooks& hooks, Generated& out);
  // Ends the Generate under way, or else the next, between two tokens or two chunks of the prompt;
  // the reason is kCaller.
  void RequestStop() { stop_ = true; }
  // What was asked for and has not ended anything yet is not to.
  void TakeBackStop() { stop_ = false; }

  Session& session() { return *session_; }
  const Session& session() const { return *session_; }

 private:
  TextSession(uint64_t budget_bytes, Budget* shared) : process_("process", budget_bytes, shared) {}
  uint64_t room() const;
  Status Check(std::span<const TokenId> tokens, uint64_t most) const;

  Budget process_;
  std::unique_ptr<Session> session_;
  // Of these the first session_->position() are computed.
  std::vector<TokenId> tokens_;
  std::atomic<bool> stop_ = false;
};

}  // namespace tinyai
