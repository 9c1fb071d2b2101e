#include "engine/generate.h"

#include <chrono>

namespace tinyai {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

std::string_view Name(StopReason reason) {
  switch (reason) {
    case StopReason::kEnd:
      return "end";
    case StopReason::kLength:
      return "length";
    case StopReason::kContext:
      return "context";
    case StopReason::kCaller:
      return "stopped";
  }
  return "";
}

Status Generate(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
                const GenerateHooks& hooks, Generated& out) {
  const Tokenizer& tokenizer = session.model().tokenizer();
  Sampler sampler(options.sampler);
  TextStream text;
  std::vector<TokenId> history(options.before.begin(), options.before.end());
  history.insert(history.end(), prompt.begin(), prompt.end());
  const Clock::time_point start = Clock::now();
  TRY_ASSIGN(std::span<float> logits, session.Feed(prompt, hooks.prompt_progress));
  out.prompt_seconds = SecondsSince(start);
  out.before = out.after = session.stats();
  const Clock::time_point generation = Clock::now();
  while (out.tokens.size() < options.most_tokens) {
    if (options.top_logits > 0) {
      out.top_logits.push_back(TopLogits(logits, options.top_logits));
    }
    TRY_ASSIGN(const TokenId token, sampler.Next(logits, history));
    out.tokens.push_back(token);
    history.push_back(token);
    const bool end = tokenizer.IsEnd(token) && !options.ignore_end;
    if (hooks.token && !hooks.token(token, end ? "" : text.Push(tokenizer.Bytes(token)))) {
      out.reason = StopReason::kCaller;
      break;
    }
    if (end) out.reason = StopReason::kEnd;
    if (!end && session.position() == session.context()) out.reason = StopReason::kContext;
    if (out.reason != StopReason::kLength || out.tokens.size() == options.most_tokens) break;
    TRY_ASSIGN(logits, session.Feed({&token, 1}));
    out.generation_seconds = SecondsSince(generation);
    out.after = session.stats();
  }
  if (hooks.token) {
    if (const std::string rest = text.Finish(); !rest.empty()) hooks.token(-1, rest);
  }
  return {};
}

}  // namespace tinyai
