#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/result.h"
#include "text/tokenizer.h"

namespace tinyai {

// As llama.cpp's flags of the same names. temperature 0: greedy, lowest id of equals.
struct SamplerOptions {
  float temperature = 0.8f;
  int32_t top_k = 40;  // <= 0: all
  float top_p = 0.95f;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;
  int32_t repeat_last_n = 64;  // -1: the whole context
  uint64_t seed = 0;
};

// Error BAD_OPTION (usage) naming the option that is NaN or out of range.
Status Check(const SamplerOptions& options);

// Chooses the next token. Equal seeds, options and logits give equal tokens on every machine.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);  // Check(options) has passed
  // `logits` may be changed (penalties). Allocates nothing once warm beyond O(vocabulary) bytes
  // reserved at the first call. Error NUMERIC_NAN if a logit is NaN; +inf wins.
  Result<TokenId> Next(std::span<float> logits, std::span<const TokenId> history);

 private:
  SamplerOptions options_;
  std::mt19937_64 random_;
  std::vector<std::pair<float, TokenId>> candidates_;
};

// The k best (id, logit), best first, lowest id of equals first.
std::vector<std::pair<TokenId, float>> TopLogits(std::span<const float> logits, size_t k);

}  // namespace tinyai
