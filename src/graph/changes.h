#pragma once

#include <span>

#include "base/result.h"
#include "graph/bands.h"

namespace tinyai {

// The graph with these changes made again, one after the other, as `BandedGraph::changes` has them.
// They may come from anywhere: error GRAPH_CHANGE naming the first that cannot be made, or that
// makes the graph larger than any search does.
Result<BandedGraph> ApplyChanges(Graph graph, std::span<const GraphChange> changes);

}  // namespace tinyai
