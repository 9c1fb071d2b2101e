#pragma once

#include "graph/bands.h"

namespace tinyai {

// The graph with the ops of `layer` once more at the beginning of layer `reader`, which comes after
// it: so its result need not be kept until then. `reader` and what comes later read the new one,
// which has the same bits. What the layer's ops read has to be there until then; inputs of the
// caller are never read again. Error GRAPH_DEPENDENCY where that is not possible: of an output of
// the graph, a text model, or a reader that is not behind it or does not read it.
Result<BandedGraph> RecomputeFor(const BandedGraph& from, uint32_t layer, uint32_t reader);

// The layers that read the result of a layer, ascending.
std::vector<uint32_t> ReadersOf(const Graph& graph, uint32_t layer);

}  // namespace tinyai
