#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "solve/search_limits.h"

// A chain of ops that is run over and over, each with a weight that has to be in memory while the
// op runs, as in the passes of a model. Weights that stay are loaded once; the others are loaded in
// every pass by a queue of their own, in the order of use, each as soon as there is room: its bytes
// are taken from the start of its load to the end of its op. What stays and how far the loads run
// ahead share one memory; wanted is the least time of a pass.
namespace tinyai {

struct ChainOp {
  uint64_t bytes = 0;
  double load_seconds = 0, compute_seconds = 0;
};

struct ChainProblem {
  std::vector<ChainOp> ops;
  uint64_t memory_bytes = 0;
  uint64_t ring_bytes = 0;  // at least so many of them are for what is loaded, if something is
};

// Seconds from one pass to the next, once the loads have settled, if these weights stay; nothing if
// one of the others has no room. Exact but for rounding: the largest ratio of seconds to passes of
// a cycle of waits (an event graph; Cuninghame-Green 1962, found by raising the period to the ratio
// of a cycle that does not fit it until there is none). `load_starts`, if given: by op, when its
// load starts in a pass whose first op starts at 0 or later; 0 for what stays.
std::optional<double> ChainPeriod(const ChainProblem& problem, const std::vector<bool>& stays,
                                  std::vector<double>* load_starts = nullptr);

// No choice has a shorter period: all that is computed, and the loads of what cannot stay, if
// weights could stay in parts.
double ChainBound(const ChainProblem& problem);

struct ChainResult {
  std::vector<bool> stays;          // by op
  std::vector<double> load_starts;  // as above
  double period_seconds = 0, lower_bound_seconds = 0;
  uint64_t states = 0;  // of the search

  bool optimal() const { return period_seconds <= lower_bound_seconds * (1 + 1e-9); }
};

// The choice with the least period: branch and bound over what stays, after spreading what is
// loaded evenly for several sizes of the ring. A part of the choice is bounded by the period of
// what it loads with the room that it leaves, which both only get worse. kFast leaves the search
// out; kNormal ends it after so many states. Nothing if a weight is larger than the memory.
std::optional<ChainResult> SolveChain(const ChainProblem& problem, const SearchLimits& limits);

}  // namespace tinyai
