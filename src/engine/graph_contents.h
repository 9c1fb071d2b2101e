#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "format/tmai_writer.h"
#include "graph/graph.h"

namespace tinyai {

// What a .tmai file of a layer graph shall hold; its tensors are the weights, in the order in which
// the layers first use them. `order` becomes their indexes in the graph. Weights of no op are left
// out.
TmaiContents ContentsOf(const Graph& graph, const std::string& name, std::vector<uint32_t>& order);

}  // namespace tinyai
