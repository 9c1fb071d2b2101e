#pragma once

#include <cstdint>
#include <vector>

#include "solve/sync_net.h"

// Fewest syncs between two places when the order of ops is free: exact, in linear time.
//
// A crossing is an edge between the places. On a path crossings alternate in direction, so the
// syncs, in an order in which they may happen, must contain each path's crossings as a subsequence.
// With a the most crossings on a path that first crosses from 0 to 1, and b the same from 1 to 0,
// the shortest such word has 0 letters if a = b = 0, a + 1 if a = b, else max(a, b). It is enough:
// each op gets a phase, the number of the last sync that it needs. Each sync has a fence of its
// own, and no schedule has fewer fences either (../shared/spec/scheduling.md, theorem 1).
namespace tinyai {

struct TwoPlaceSyncs {
  uint32_t syncs = 0;
  // Paths, as ops from first to last, that prove there is nothing better: one with as many
  // crossings as there are syncs, or two with one less that cross first in different directions.
  std::vector<std::vector<uint32_t>> witness;
  SyncSchedule schedule;
};
// `net` has at most two places. O((ops + edges) log ops).
TwoPlaceSyncs SolveTwoPlaces(const SyncNet& net);

// Theorem 2: ops whose place is free, or partly. `allowed[op]`: bit p is set if it may be on place
// p; at least one of the bits 0 and 1 is. `net.place` is not read.
struct FreePlacement {
  uint32_t syncs = 0;
  std::vector<uint32_t> place;  // with these places SolveTwoPlaces needs `syncs`
};
FreePlacement PlaceOnTwo(const SyncNet& net, const std::vector<uint8_t>& allowed);

}  // namespace tinyai
