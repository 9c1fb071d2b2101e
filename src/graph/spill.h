#pragma once

#include "graph/bands.h"

namespace tinyai {

// The graph with the result of `layer` written to a scratch file at the end of the last layer
// before `reader` that reads it, and read back at the beginning of layer `reader`: in between it
// takes no memory. `reader` and what comes later read what was read back. Error GRAPH_DEPENDENCY
// where that is not possible: of an output of the graph, a text model, a reader that does not read
// it, or one before which no other layer reads it.
Result<BandedGraph> SpillFor(const BandedGraph& from, uint32_t layer, uint32_t reader);

// Whether anything is written to a scratch file.
bool Spills(const Graph& graph);

// Fetch op `fetch` stands at the beginning of the layer before its own one, so that what it reads
// may be there in time. Nothing where that comes before what it reads was written.
std::optional<BandedGraph> FetchEarlier(const BandedGraph& from, OpId fetch);

}  // namespace tinyai
