#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/session.h"
#include "text/sampler.h"
#include "text/tokenizer.h"

namespace tinyai {

struct GenerateOptions {
  SamplerOptions sampler;
  uint64_t most_tokens = ~uint64_t{0};  // the context ends it in any case
  bool ignore_end = false;              // go on after an end-of-text token
  size_t top_logits = 0;                // how many of the best to keep per token
  std::span<const TokenId> before;      // tokens that the context has already, for penalties
};

enum class StopReason : uint8_t { kEnd, kLength, kContext, kCaller };
std::string_view Name(StopReason reason);

struct Generated {
  std::vector<TokenId> tokens;  // an end-of-text token that ended it is the last of them
  std::vector<std::vector<std::pair<TokenId, float>>> top_logits;  // per token, best first
  StopReason reason = StopReason::kLength;
  double prompt_seconds = 0;      // until the first logits
  double generation_seconds = 0;  // of the passes that computed the tokens after the first
  SessionStats before, after;     // at the first logits, and at the end
};

struct GenerateHooks {
  // Text of one more token, valid UTF-8, "" while a character is incomplete. False ends it.
  std::function<bool(TokenId, std::string_view)> token = {};
  // Tokens of the prompt done, after each chunk. False ends it with CANCELLED.
  std::function<bool(size_t done)> prompt_progress = {};
};

// Continues `prompt` (at least one token) from where the session stands. An error leaves what was
// generated so far in `out`.
Status Generate(Session& session, std::span<const TokenId> prompt, const GenerateOptions& options,
                const GenerateHooks& hooks, Generated& out);

}  // namespace tinyai
