#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "solve/reduce_syncs.h"

// Fewer syncs for less concurrency, the orders of the queues being given. Two syncs of the same
// pair of places become one: the earlier op of the waiting place waits for the later fence, and so
// for both. The syncs that this implies besides fall away (resynchronisation; Bhattacharyya, Sriram
// and Lee 1995, NP-hard to do best). Greedy: each step takes the merge that costs least.
namespace tinyai {

// What it would cost to add this wait to those there are; nothing: it is not allowed.
using MergeCost = std::function<std::optional<uint64_t>(const WaitEdge&)>;

// `edges` as for ReduceSyncs, whose answer is merged; nothing where there is none. The result
// implies all of `edges` and no deadlock. Merges until none is allowed. O(syncs) reductions.
std::optional<std::vector<WaitEdge>> MergeSyncs(const FixedQueues& queues,
                                                std::span<const WaitEdge> edges,
                                                const MergeCost& cost);

// Without loops: op i takes op_time[i], sums fit 64 bits. Merges as long as the makespan, with
// syncs that take no time, stays within `most_time` or was above it already and does not grow.
// Returns what is left after each step, the first one being the reduction: the curve
// makespan(syncs).
struct MergeStep {
  std::vector<WaitEdge> waits;
  uint64_t makespan = 0;
};
std::optional<std::vector<MergeStep>> MergeSyncsWithin(const FixedQueues& queues,
                                                       std::span<const WaitEdge> edges,
                                                       std::span<const uint64_t> op_time,
                                                       uint64_t most_time);

}  // namespace tinyai
