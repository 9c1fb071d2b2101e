#pragma once

#include <tinyai/session.h>
#include <tinyai/cpp/plan.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tinyai {
inline namespace v0 {

// How tokens are chosen. Equal texts and settings give equal tokens, whatever the plan.
struct GenerateOptions {
  int most_tokens = -1;   // new ones; negative: until the text or the context ends
  float temperature = 0;  // 0: always the likeliest token
  int top_k = 40;         // among the likeliest; 0 or less: all. This and what follows does not
                          // matter with temperature 0
  float top_p = 0.95f, min_p = 0.05f;
  float repeat_penalty = 1;  // above 1: tokens of the last 64 become less likely
  std::uint64_t seed = 0;
};

enum class StopReason {
  kEnd = TINYAI_STOP_END,          // the model ended the text
  kLength = TINYAI_STOP_LENGTH,    // as many tokens as asked for
  kContext = TINYAI_STOP_CONTEXT,  // no room for another token
  kCaller = TINYAI_STOP_CALLER,    // the callback returned false, or a stop was requested
};

struct Generated {
  std::string text = {};  // new; whole characters in UTF-8
  StopReason reason = StopReason::kEnd;
  std::size_t tokens = 0;           // new ones
  std::size_t computed_tokens = 0;  // of the prompt: those that were not computed before
  double prompt_seconds = 0;        // until the first token could be chosen
  double generation_seconds = 0;    // of the passes for the tokens after the first
};

// Hears of each new token and its text: whole characters in UTF-8, "" while one is incomplete; what
// is left at the end comes with token -1. False ends the text. What it throws ends the text too,
// and comes out of Generate.
using TokenCallback = std::function<bool(std::int32_t token, std::string_view text)>;

// The text of a session at some time, as its tokens. Sessions of the same model can go back to it.
struct Snapshot {
  std::vector<std::int32_t> tokens = {};
};

// Bytes, tokens and seconds; the fields are explained in <tinyai/session.h>.
using SessionStats = TinyAISessionStats;

// A text that its owner and a model write by turns, in the bytes of a plan. One thread at a time
// uses it; it keeps its model alive.
class Session {
 public:
  // Takes all the memory of the plan at once and begins to read weights. Errors BUDGET_EXCEEDED,
  // OUT_OF_MEMORY, THREAD, those of opening files.
  static Result<Session> Open(Plan plan) {
    Handle handle(tinyaiOpenSession(plan.handle()));
    if (!handle) return detail::LastError();
    return Session(std::move(handle));
  }

  // Text at the end of what there is, without NUL inside; nothing is computed yet. `parse_special`:
  // spellings of control tokens, such as <|im_end|>, stand for these. Errors, and nothing changed:
  // CONTEXT_FULL, TOKENIZER, TOKENIZER_REGEX.
  Status Add(std::string_view text, bool parse_special = false) {
    return detail::StatusOf(
        tinyaiAddSessionText(handle(), std::string(text).c_str(), parse_special));
  }
  // Error BAD_TOKEN besides.
  Status Add(std::span<const std::int32_t> tokens) {
    if (tokens.empty()) return {};
    return detail::StatusOf(tinyaiAddSessionTokens(handle(), tokens.data(), tokens.size()));
  }

  // Lets the model go on; the text has the new tokens from then on, whatever ended them. A stop
  // that is requested ends it between two tokens or two chunks of the prompt; it can be gone on
  // with. Errors BAD_OPTION, NO_PROMPT, CONTEXT_FULL, BUDGET_LIMIT_LOWERED, NUMERIC_NAN, those of
  // reading.
  Result<Generated> Generate(const GenerateOptions& options = {},
                             const TokenCallback& on_token = {}, const std::stop_token& stop = {}) {
    const TinyAITextSettings settings = {.max_new_tokens = options.most_tokens,
                                         .temperature = options.temperature,
                                         .top_k = options.top_k,
                                         .top_p = options.top_p,
                                         .min_p = options.min_p,
                                         .repeat_penalty = options.repeat_penalty,
                                         .seed = options.seed};
    Listener listener{on_token, {}, {}};
    TinyAIGenerated made = {};
    Status done;
    {
      const std::stop_callback on_stop(stop, [this] { tinyaiStopSession(handle()); });
      done =
          detail::StatusOf(tinyaiGenerate(handle(), &settings, Listener::Hear, &listener, &made));
    }
    if (stop.stop_requested()) tinyaiResumeSession(handle());  // if it came when all was done
    if (listener.thrown) std::rethrow_exception(listener.thrown);
    if (!done) return done.error();
    return Generated{.text = std::move(listener.text),
                     .reason = static_cast<StopReason>(made.reason),
                     .tokens = made.tokens,
                     .computed_tokens = made.computed_tokens,
                     .prompt_seconds = made.prompt_seconds,
                     .generation_seconds = made.generation_seconds};
  }

  Snapshot snapshot() const {
    Snapshot out;
    out.tokens.resize(static_cast<std::size_t>(tinyaiGetSessionTokens(handle(), nullptr, 0)));
    tinyaiGetSessionTokens(handle(), out.tokens.data(), out.tokens.size());
    return out;
  }
  // Makes the text that of the snapshot; an empty one begins anew. What both have in common at the
  // beginning is not computed again, and what follows has the same bits as in the snapshot's
  // session. Errors, and nothing changed: CONTEXT_FULL, BAD_TOKEN.
  Status Restore(const Snapshot& snapshot) {
    return detail::StatusOf(
        tinyaiRestoreSession(handle(), snapshot.tokens.data(), snapshot.tokens.size()));
  }

  SessionStats stats() const {
    SessionStats stats = {};
    tinyaiGetSessionStats(handle(), &stats);
    return stats;
  }

  // Ends the session and writes when its last passes did what, for ui.perfetto.dev; its plan had
  // `trace_bytes`. Errors NO_TRACE, OUTPUT_TARGET, IO_WRITE.
  Status WriteTrace(const std::string& path) && {
    return detail::StatusOf(tinyaiWriteSessionTrace(handle(), path.c_str()));
  }

  // For what only the C API has; belongs to this object.
  TinyAISession* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(TinyAISession* session) const { tinyaiCloseSession(session); }
  };
  using Handle = std::unique_ptr<TinyAISession, Close>;
  explicit Session(Handle handle) : handle_(std::move(handle)) {}

  // No exception goes through the library.
  struct Listener {
    const TokenCallback& callback;
    std::string text;
    std::exception_ptr thrown;

    static bool Hear(void* self, std::int32_t token, const char* text) noexcept {
      auto& listener = *static_cast<Listener*>(self);
#ifdef __cpp_exceptions
      try {
        return listener.Take(token, text);
      } catch (...) {
        listener.thrown = std::current_exception();
        return false;
      }
#else
      return listener.Take(token, text);
#endif
    }
    bool Take(std::int32_t token, std::string_view more) {
      if (thrown) return false;
      text += more;
      return !callback || callback(token, more);
    }
  };

  Handle handle_;
};

}  // namespace v0
}  // namespace tinyai
