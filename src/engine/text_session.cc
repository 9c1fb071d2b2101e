#include "engine/text_session.h"

#include <algorithm>
#include <utility>

#include "engine/encode_prompt.h"
#include "fmt/format.h"

namespace tinyai {

Result<std::unique_ptr<TextSession>> TextSession::Open(std::shared_ptr<const Model> model,
                                                       SessionPlan plan, Budget* shared) {
  const uint64_t budget = plan.options.force ? Budget::kUnlimited : plan.budget_bytes;
  std::unique_ptr<TextSession> text(new TextSession(budget, shared));
  TRY_ASSIGN(text->session_, Session::Open(std::move(model), std::move(plan), text->process_));
  return text;
}

uint64_t TextSession::room() const {
  return session_->context() - std::min<uint64_t>(session_->context(), tokens_.size());
}

// `most`: of them all.
Status TextSession::Check(std::span<const TokenId> tokens, uint64_t most) const {
  if (tokens.size() > most) {
    return Fail(ErrorCode::kUsage, "CONTEXT_FULL",
                fmt::format("{} tokens do not fit: {} places of the context of {} are left",
                            tokens.size(), room(), session_->context()));
  }
  const uint64_t vocabulary = session_->model().graph().vocabulary;
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<uint64_t>(token) < vocabulary) continue;
    return Fail(ErrorCode::kUsage, "BAD_TOKEN",
                fmt::format("token {} is not in the vocabulary of {}", token, vocabulary));
  }
  return {};
}

Status TextSession::Add(std::string_view text, bool special) {
  const Model& model = session_->model();
  const EncodeOptions options = {.add_special = tokens_.empty(), .parse_special = special};
  TRY_ASSIGN(const std::vector<TokenId> more, EncodePrompt(model, text, room(), options));
  return Add(more);
}

Status TextSession::Add(std::span<const TokenId> tokens) {
  TRY(Check(tokens, room()));
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
  return {};
}

Status TextSession::Restore(std::span<const TokenId> tokens) {
  // A token that was chosen last has no place in the context yet.
  TRY(Check(tokens, session_->context() + 1));
  const auto same = std::ranges::mismatch(tokens_, tokens);
  session_->Rewind(static_cast<uint64_t>(same.in1 - tokens_.begin()));
  tokens_.assign(tokens.begin(), tokens.end());
  return {};
}

Status TextSession::Generate(const GenerateOptions& options, const GenerateHooks& hooks,
                             Generated& out) {
  TRY(tinyai::Check(options.sampler));
  if (tokens_.empty()) {
    const std::optional<TokenId> begin = session_->model().tokenizer().bos();
    if (!begin) {
      return Fail(ErrorCode::kUsage, "NO_PROMPT",
                  "the text is empty, and the model has no token that begins a text");
    }
    tokens_.push_back(*begin);
  }
  // The next token follows from the last one's logits, which are computed again if need be.
  session_->Rewind(tokens_.size() - 1);
  GenerateOptions all = options;
  const std::span<const TokenId> text = tokens_;
  all.before = text.first(session_->position());
  GenerateHooks stoppable = hooks;
  stoppable.token = [&](TokenId token, std::string_view more) {
    const bool goes_on = !hooks.token || hooks.token(token, more);
    return goes_on && !stop_;
  };
  stoppable.prompt_progress = [&](size_t done) {
    return (!hooks.prompt_progress || hooks.prompt_progress(done)) && !stop_;
  };
  if (stop_.exchange(false)) {
    out.reason = StopReason::kCaller;
    return {};
  }
  const Status status =
      tinyai::Generate(*session_, text.subspan(session_->position()), all, stoppable, out);
  const bool stopped = stop_.exchange(false);
  tokens_.insert(tokens_.end(), out.tokens.begin(), out.tokens.end());
  if (status || status.error().key != "CANCELLED" || !stopped) return status;
  out.reason = StopReason::kCaller;
  return {};
}

}  // namespace tinyai
