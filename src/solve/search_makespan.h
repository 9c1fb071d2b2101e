#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "solve/search_limits.h"
#include "solve/task_graph.h"

namespace tinyai {

// Is there a schedule no longer than a target? Depth-first search over time (Kasahara and Narita
// 1984, DF/IHS): at each moment some of the ready tasks start, the others wait. Left out are
// - what cannot end in time: tails, and for each later moment the work due before it;
// - schedules in which a task could start earlier while the others stay;
// - a task before an equally long one that has all its successors;
// - states no better than one that was searched in vain: the same tasks started, none ended later.
// The last three keep, of all schedules that are short enough, the one with the least weighted sum
// of starts, so they do not exclude each other's reason.
class MakespanSearch {
 public:
  enum class Order : uint8_t { kTail, kTailAndTime, kWork };  // of ready tasks, highest first
  enum class Verdict : uint8_t { kFound, kNone, kUnknown };

  // `graph` has no tasks of time 0 (Condensed), at least one and at most kMostTasks tasks and total
  // time of less than kMostTime. It outlives this object. Tails that are larger than the longest
  // paths help.
  MakespanSearch(const TaskGraph& graph, size_t most_memory_bytes);
  ~MakespanSearch();

  static constexpr uint32_t kMostTasks = 1024;
  static constexpr int64_t kMostTime = int64_t{1} << 40;

  // kUnknown: it would take more than `most_states`, or the time is over. What it has learnt
  // remains, so targets may only fall from call to call. kFound: `start` has the schedule.
  Verdict Find(int64_t target, Order order, uint64_t most_states, const SearchLimits& limits,
               std::vector<int64_t>& start);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tinyai
