#include <algorithm>

#include "capi/from_c.h"
#include "capi/guard.h"
#include "capi/session_handles.h"
#include "engine/measured_trace.h"

namespace tinyai::capi {

Result<const Tokenizer*> TokenizerOf(const TinyAIModel* model) {
  if (model == nullptr) return NullArgument("model");
  const Model& own = *model->objects->mapped().model();
  if (own.is_text()) return &own.tokenizer();
  return Fail(ErrorCode::kUnsupported, "NO_TEXT_MODEL", "this model is no text model");
}

namespace {

Result<TextSession*> Get(const TinyAISession* session) {
  if (session == nullptr) return NullArgument("session");
  if (!session->ended) return session->text.get();
  return Fail(ErrorCode::kUsage, "SESSION_ENDED",
              "the session ended when its trace was written; open another one");
}

// For what changes the session: `body` is given its text.
template <typename Body>
Status Change(TinyAISession* session, const Body& body) {
  TRY_ASSIGN(TextSession* const text, Get(session));
  const Busy busy(session->busy);
  if (!busy) return Reentrant();
  return body(*text);
}

Result<std::span<const TokenId>> TokensOf(const int32_t* tokens, size_t count) {
  if (tokens == nullptr && count > 0) return NullArgument("tokens");
  return std::span<const TokenId>(tokens, count);
}

TinyAIStopReason ToC(StopReason reason) {
  switch (reason) {
    case StopReason::kEnd:
      return TINYAI_STOP_END;
    case StopReason::kLength:
      return TINYAI_STOP_LENGTH;
    case StopReason::kContext:
      return TINYAI_STOP_CONTEXT;
    case StopReason::kCaller:
      break;
  }
  return TINYAI_STOP_CALLER;
}

Status GenerateText(TextSession& text, const TinyAITextSettings& settings,
                    TinyAITokenFunction function, void* user_data, TinyAIGenerated* out) {
  const TextSettings asked = FromC(settings);
  const GenerateOptions options{.sampler = asked.sampler, .most_tokens = asked.most_tokens};
  GenerateHooks hooks;
  Status heard;  // an error of the function's
  if (function != nullptr) {
    hooks.token = [&, ended = std::string()](TokenId token, std::string_view more) mutable {
      ended = more;
      const Result<bool> goes_on = CallUser(function, user_data, token, ended.c_str());
      if (!goes_on && heard) heard = tl::unexpected<Error>(goes_on.error());
      return goes_on && *goes_on;
    };
  }
  const uint64_t begin = text.session().position();
  const size_t before = std::max<size_t>(text.tokens().size(), 1);  // one begins an empty text
  Generated made;
  TRY(text.Generate(options, hooks, made));
  TRY(heard);
  if (out == nullptr) return {};
  *out = {.reason = ToC(made.reason),
          .tokens = made.tokens.size(),
          .computed_tokens = before - std::min<size_t>(begin, before - 1),
          .prompt_seconds = made.prompt_seconds,
          .generation_seconds = made.generation_seconds};
  return {};
}

TinyAISessionStats StatsOf(const TextSession& text) {
  const SessionStats stats = text.session().stats();
  return {.budget_bytes = stats.budget_bytes,
          .counted_peak_bytes = stats.counted_peak_bytes,
          .resident_bytes = stats.resident_weight_bytes,
          .text_tokens = text.tokens().size(),
          .context = text.session().context(),
          .passes = stats.run.passes,
          .read_bytes = stats.run.streamed_bytes + stats.run.once_bytes + stats.run.row_bytes,
          .replans = stats.replans,
          .stall_seconds = std::chrono::duration<double>(stats.run.stall).count(),
          .io_path = Name(stats.io_path).data()};
}

}  // namespace
}  // namespace tinyai::capi

using namespace tinyai;
using namespace tinyai::capi;

int64_t tinyaiTokenize(const TinyAIModel* model, const char* text, bool add_special,
                       bool parse_special, int32_t* tokens, size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> Result<int64_t> {
    if (text == nullptr) return NullArgument("text");
    if (tokens == nullptr && capacity > 0) return NullArgument("tokens");
    TRY_ASSIGN(const Tokenizer* tokenizer, TokenizerOf(model));
    TRY_ASSIGN(const std::vector<TokenId> all,
               tokenizer->Encode(text, {add_special, parse_special}));
    return CopyOut<TokenId>(all, tokens, capacity, "tokens");
  });
}

int64_t tinyaiDetokenize(const TinyAIModel* model, const int32_t* tokens, size_t count, char* text,
                         size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> Result<int64_t> {
    if (text == nullptr && capacity > 0) return NullArgument("text");
    TRY_ASSIGN(const std::span<const TokenId> ids, TokensOf(tokens, count));
    TRY_ASSIGN(const Tokenizer* tokenizer, TokenizerOf(model));
    const std::string all = tokenizer->Decode(ids);
    if (capacity == 0) return static_cast<int64_t>(all.size());
    text[std::min(all.size(), capacity - 1)] = '\0';
    return CopyOut<char>(all, text, capacity - 1, "text");
  });
}

TinyAISession* tinyaiOpenSession(TinyAISessionPlan* plan) {
  return Guard<TinyAISession*>(nullptr, [&]() -> Result<TinyAISession*> {
    if (plan == nullptr) return NullArgument("plan");
    if (!plan->session) return PlanTaken();
    auto session = std::make_unique<TinyAISession>();
    session->objects = plan->objects;
    SessionPlan taken = *std::exchange(plan->session, std::nullopt);
    SharedBudget* const share = plan->objects->mapped().shared_budget();
    if (share != nullptr) share->MakeRoom(taken.report.predicted_peak_bytes);
    TRY_ASSIGN(session->text, TextSession::Open(plan->model, std::move(taken),
                                                share != nullptr ? &share->budget() : nullptr));
    return session.release();
  });
}

void tinyaiCloseSession(TinyAISession* session) {
  if (session != nullptr && session->busy)
    return SetLastError(ErrorCode::kUsage, "REENTRANT", kInCall);
  delete session;
}

bool tinyaiAddSessionText(TinyAISession* session, const char* text, bool parse_special) {
  return GuardStatus([&]() -> Status {
    return Change(session, [&](TextSession& own) -> Status {
      if (text == nullptr) return NullArgument("text");
      return own.Add(std::string_view(text), parse_special);
    });
  });
}

bool tinyaiAddSessionTokens(TinyAISession* session, const int32_t* tokens, size_t count) {
  return GuardStatus([&]() -> Status {
    return Change(session, [&](TextSession& own) -> Status {
      TRY_ASSIGN(const std::span<const TokenId> ids, TokensOf(tokens, count));
      return own.Add(ids);
    });
  });
}

bool tinyaiGenerate(TinyAISession* session, const TinyAITextSettings* settings,
                    TinyAITokenFunction function, void* user_data, TinyAIGenerated* out) {
  return GuardStatus([&]() -> Status {
    TinyAITextSettings usual;
    tinyaiInitTextSettings(&usual);
    return Change(session, [&](TextSession& own) {
      return GenerateText(own, settings != nullptr ? *settings : usual, function, user_data, out);
    });
  });
}

void tinyaiStopSession(TinyAISession* session) {
  GuardStatus([&]() -> Status {
    if (session == nullptr) return NullArgument("session");
    session->text->RequestStop();
    return {};
  });
}

void tinyaiResumeSession(TinyAISession* session) {
  GuardStatus([&]() -> Status {
    if (session == nullptr) return NullArgument("session");
    session->text->TakeBackStop();
    return {};
  });
}

int64_t tinyaiGetSessionTokens(const TinyAISession* session, int32_t* tokens, size_t capacity) {
  return Guard<int64_t>(-1, [&]() -> Result<int64_t> {
    TRY_ASSIGN(const TextSession* const own, Get(session));
    return CopyOut<TokenId>(own->tokens(), tokens, capacity, "tokens");
  });
}

bool tinyaiRestoreSession(TinyAISession* session, const int32_t* tokens, size_t count) {
  return GuardStatus([&]() -> Status {
    return Change(session, [&](TextSession& own) -> Status {
      TRY_ASSIGN(const std::span<const TokenId> ids, TokensOf(tokens, count));
      return own.Restore(ids);
    });
  });
}

bool tinyaiGetSessionStats(const TinyAISession* session, TinyAISessionStats* out) {
  return GuardStatus([&]() -> Status {
    TRY_ASSIGN(const TextSession* const own, Get(session));
    if (out == nullptr) return NullArgument("out");
    *out = StatsOf(*own);
    return {};
  });
}

bool tinyaiWriteSessionTrace(TinyAISession* session, const char* filepath) {
  return GuardStatus([&]() -> Status {
    return Change(session, [&](TextSession& own) -> Status {
      if (filepath == nullptr) return NullArgument("filepath");
      Session& run = own.session();
      if (run.plan().options.trace_bytes == 0) {
        return Fail(ErrorCode::kUsage, "NO_TRACE", "the session was planned without trace_bytes");
      }
      session->ended = true;
      const Recorder& recorder = *run.Stop();
      return WriteMeasuredTrace(run.model().graph(), run.plan().plan, recorder,
                                run.model().sources()[0]->path(), filepath);
    });
  });
}
