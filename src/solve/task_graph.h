#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "solve/makespan.h"

namespace tinyai {

// Lists of tasks, one per task, in one array.
struct TaskLists {
  std::vector<uint32_t> begin;  // size n + 1
  std::vector<uint32_t> tasks;

  std::span<const uint32_t> operator[](uint32_t task) const {
    return std::span(tasks).subspan(begin[task], begin[task + 1] - begin[task]);
  }
};

// A makespan problem as the searches want it: no cycles, sums fit, edges both ways.
struct TaskGraph {
  uint32_t processors = 1;     // at most one per task, at least one
  int64_t unit = 1;            // of all times: their greatest common divisor, which sharpens bounds
  std::vector<int64_t> times;  // in units; their sum is less than 2^62
  TaskLists before, after;
  std::vector<uint32_t> order;        // topological, lowest number first
  std::vector<int64_t> heads, tails;  // least time before its start and after its end

  uint32_t size() const { return static_cast<uint32_t>(times.size()); }
};

// Heads and tails are the longest paths. Errors as of SolveMakespan.
Result<TaskGraph> MakeTaskGraph(const MakespanProblem& problem);

// Time runs backwards: a schedule of it, mirrored, is one of `graph`.
TaskGraph Reversed(const TaskGraph& graph);

// Without the tasks of time 0 and without edges that follow from others; `kept` gets the tasks that
// are left, by their number in `graph`. Heads and tails are taken over. O(n * e / 64), n^2 / 8
// bytes.
TaskGraph Condensed(const TaskGraph& graph, std::vector<uint32_t>* kept);

}  // namespace tinyai
