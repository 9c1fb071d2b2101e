#pragma once

#include <cstdint>
#include <vector>

#include "solve/search_limits.h"
#include "solve/sync_net.h"

namespace tinyai {

// Places for ops that may be on several, such that few syncs do, and with these few fences; for two
// places PlaceOnTwo is exact at any size.
struct SyncPlacement {
  std::vector<uint32_t> place;  // by op
  uint32_t syncs = 0, fences = 0;
  bool proved = false;  // no places do with less
};

// `choices`: by op, the places it may be on, at least one; of net.place only the size counts. At
// first each free op is where one that it needs is, and is moved as long as that helps. Up to about
// a dozen free ops then branch and bound: the bound is what the ops placed so far need, with the
// others only handing on between them. kFast: no branch and bound.
SyncPlacement PlaceForSyncs(SyncNet net, const std::vector<std::vector<uint32_t>>& choices,
                            const SearchLimits& limits);

}  // namespace tinyai
