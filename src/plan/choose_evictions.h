#pragma once

#include <vector>

#include "base/machine.h"
#include "graph/bands.h"

namespace tinyai {

// What may be done with results that lie about unused while memory is short, and what it costs.
struct EvictionOptions {
  bool recompute = false;  // computed a second time for their next reader
  bool spill = false;      // written to a scratch file and read back
  uint64_t samples = 1;
  Rates rates;
};

// Graphs of falling peak, each with one more result evicted: always the change that lowers the peak
// most for the seconds it takes (Capuchin, Peng et al. 2020, on layers). The first is the graph
// itself.
std::vector<BandedGraph> ChooseEvictions(BandedGraph graph, const EvictionOptions& options);

// The same with what was spilled read back some layers before it is needed, where that does not
// raise the peak: so the computation need not wait for all of it.
BandedGraph FetchInTime(BandedGraph graph, uint64_t samples);

}  // namespace tinyai
