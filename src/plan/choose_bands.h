#pragma once

#include <cstdint>

#include "graph/bands.h"

namespace tinyai {

// Which layers of a graph are computed in bands of rows, so that its activations take the least
// memory at once; layers whose outputs are outputs of the graph end a stretch or are put together
// from its bands. Greedy: of all stretches around the layer where the most lives, and numbers of
// bands, what lowers the peak most, again and again. The graph itself where nothing does.
BandedGraph ChooseBands(BandedGraph graph, uint64_t samples);

}  // namespace tinyai
