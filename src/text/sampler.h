#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>
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

// Chooses the next token: penalty, then top-k, top-p, min-p, temperature, and a draw from what is
// left. Equal seeds, options and logits give equal tokens on every machine.
class Sampler {
 public:
  explicit Sampler(const SamplerOptions& options);  // Check(options) has passed
  // `logits`, one per token of the vocabulary and at least one, may be changed (penalties).
  // `history`: the tokens so far. Allocates nothing once warm beyond O(vocabulary + history) bytes
  // reserved at the first call. Error NUMERIC_NAN if a logit is NaN; +inf wins.
  Result<TokenId> Next(std::span<float> logits, std::span<const TokenId> history);

 private:
  using Candidate = std::pair<float, TokenId>;  // logit and token

  void Penalise(std::span<float> logits, std::span<const TokenId> history);
  void KeepTopK(std::span<const float> logits);
  void KeepLikely();
  TokenId Draw();
  double Uniform();  // in [0, 1)

  SamplerOptions options_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;  // best first, lowest id of equals first
  std::vector<double> weights_;        // of the candidates, the best having 1
  std::vector<TokenId> recent_;
};

// The k best (id, logit), best first, lowest id of equals first.
std::vector<std::pair<TokenId, float>> TopLogits(std::span<const float> logits, size_t k);

}  // namespace tinyai
