#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "solve/search_limits.h"

// Tasks with precedences on identical processors, no communication: the least time until all are
// done (P|prec|Cmax). Tasks run without interruption, a processor runs one at a time.
namespace tinyai {

struct MakespanProblem {
  struct Edge {
    uint32_t before, after;  // tasks: `after` starts when `before` has finished, or later
  };

  uint32_t processors = 1;
  std::vector<uint64_t> times;  // per task, any unit; 0: takes no processor, only keeps an order
  std::vector<Edge> edges;      // an edge may be there twice
};

struct MakespanSchedule {
  std::vector<uint64_t> start;      // per task, in the unit of its time
  std::vector<uint32_t> processor;  // per task; a task of time 0 is never inside another one's time
};

struct MakespanResult {
  uint64_t value = 0, lower_bound = 0;
  MakespanSchedule schedule;

  bool optimal() const { return value == lower_bound; }
};

// kFast: list schedules by several priorities and forward-backward passes, bounds in
// O((n + e) log n). kNormal: then, for at most some thousand tasks, iterated local search, bounds
// over intervals and branch and bound (search_makespan.h), about half a second. kExact: branch and
// bound until proved, for at most 1024 tasks that take time. Equal problems and efforts give equal
// answers.
// Error BAD_PROBLEM: no processor, an edge to a task that is not there, a cycle (names a task of
// it), or times whose sum is 2^62 or more.
Result<MakespanResult> SolveMakespan(const MakespanProblem& problem, const SearchLimits& limits);

// The errors of SolveMakespan.
Status CheckMakespanProblem(const MakespanProblem& problem);

// The makespan of `schedule`. Shares no code with the search. Error BAD_SOLUTION: what is wrong
// with it, the first by task; of the problem only that the sizes match is assumed.
Result<uint64_t> CheckMakespan(const MakespanProblem& problem, const MakespanSchedule& schedule);

}  // namespace tinyai
