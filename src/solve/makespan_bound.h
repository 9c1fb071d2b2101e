#pragma once

#include <cstdint>

#include "solve/task_graph.h"

// Lower bounds of the makespan.
namespace tinyai {

// The longest path; all work shared out; the work that has to be done after each moment, and before
// each. O(n log n).
int64_t QuickBound(const TaskGraph& graph);

// Raises heads and tails: what comes before a task, with its own heads and the distances to the
// task, is a problem of its own, whose bound over all intervals (Fernandez and Bussell 1973, with
// heads and tails as in Carlier 1982) is a head. O(n^3) at worst: for some hundred tasks.
void RaiseHeadsAndTails(TaskGraph& graph);

// Over all intervals of heads and tails, counting for each task what must lie within
// (energetic reasoning, Erschler, Lopez and Thuriot 1991): the least makespan it does not refute.
// No less than QuickBound. `most`: an upper bound of the makespan. O(n^3 log(most)).
int64_t IntervalBound(const TaskGraph& graph, int64_t most);

}  // namespace tinyai
