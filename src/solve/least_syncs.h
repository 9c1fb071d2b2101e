#pragma once

#include <cstdint>
#include <vector>

#include "solve/search_limits.h"
#include "solve/sync_net.h"

namespace tinyai {

// Places of ops are given, their order is free: the fewest syncs, and with these the fewest fences.
struct LeastSyncs {
  SyncSchedule schedule;
  uint32_t syncs = 0, fences = 0;
  uint32_t least_syncs = 0;   // proved; no schedule has fewer
  uint32_t least_fences = 0;  // proved for schedules of `syncs` syncs
  // For at most two places, why there are no fewer syncs (TwoPlaceSyncs).
  std::vector<std::vector<uint32_t>> witness;

  bool syncs_optimal() const { return syncs == least_syncs; }
  bool fences_optimal() const { return fences == least_fences; }
};

// Exact and near linear where at most two places are used. Otherwise a heuristic in near linear
// time and, if the net is small enough after contraction and the effort is not kFast, A* search.
LeastSyncs FindLeastSyncs(SyncNet net, const SearchLimits& limits);

}  // namespace tinyai
