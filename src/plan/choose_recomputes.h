#pragma once

#include <vector>

#include "graph/recompute.h"

namespace tinyai {

// Graphs of falling peak, each with some more layers computed again where their results would lie
// about unused while memory is short: always the change that lowers the peak most for what it takes
// (the rematerialisation of Capuchin, Peng et al. 2020, on layers). The first is the graph itself.
std::vector<BandedGraph> ChooseRecomputes(BandedGraph graph, uint64_t samples);

}  // namespace tinyai
