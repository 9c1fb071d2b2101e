#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace tinyai {

// The most bytes of values at once where ops run in the graph's order, and the layer where that is.
struct ActivationPeak {
  uint64_t bytes = 0;
  uint32_t layer = 0;
};
ActivationPeak FindActivationPeak(const Graph& graph, uint64_t samples);

}  // namespace tinyai
