#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"
#include "graph/hparams.h"

namespace tinyai {

// The `rope.*` keys. Errors MODEL_HPARAM; a scaling kind we do not know: MODEL_ROPE (exit 6).
Result<RopeSettings> ReadRopeSettings(const Hparams& hparams, uint64_t head_dim, uint64_t context);

// The angle per position of each of the dims / 2 pairs, and the factor on cos and sin.
// `divisors` is empty or has one per pair.
struct RopeFrequencies {
  std::vector<double> per_position;
  double magnitude = 1;
};
RopeFrequencies ComputeRopeFrequencies(const RopeSettings& rope, std::span<const float> divisors);

}  // namespace tinyai
