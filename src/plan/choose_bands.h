#pragma once

#include <cstdint>

#include "graph/bands.h"

namespace tinyai {

// Which layers of a graph are computed in bands of rows, so that its activations take at most
// `enough` bytes at once, or, where nothing does it, the least; layers whose outputs are outputs of
// the graph end a stretch or are put together from its bands. Greedy: of all stretches around the
// layer where the most lives, and numbers of bands, the one with the fewest multiplications that
// comes to `enough`, or what lowers the peak most, again and again. The graph itself where nothing
// does, or where it takes no more already.
BandedGraph ChooseBands(BandedGraph graph, uint64_t samples, uint64_t enough = 0);

}  // namespace tinyai
