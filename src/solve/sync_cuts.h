#pragma once

#include <cstdint>
#include <vector>

#include "solve/sync_net.h"

namespace tinyai {

// Lower bounds for nets of any size. Put the places into two groups, of which each knows all that
// one of its places knows: two places are left, and theorem 1 (sync_two_places.h) tells how many
// syncs must cross between the groups. The fewest syncs that do for every grouping at once are a
// linear program, whose dual weighs the groupings so that no sync counts more than once. All
// groupings of up to kMostPlacesGrouped places are taken, above that each place against the others,
// above kMostPlacesSplit only that each place that waits needs a sync.
constexpr uint32_t kMostPlacesGrouped = 5, kMostPlacesSplit = 16;

struct SyncCuts {
  uint32_t least_syncs = 0;
  // The most crossings on a path: each needs a sync and a fence of its own, one after the other.
  uint32_t least_fences = 0;
};
// `order`: a topological one. O((ops + edges) groupings).
SyncCuts BoundByCuts(const SyncNet& net, const OpLists& predecessors,
                     const std::vector<uint32_t>& order);

}  // namespace tinyai
