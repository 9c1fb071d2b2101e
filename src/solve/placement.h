#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/result.h"
#include "solve/search_limits.h"

// Ops on places that differ: where each runs and when, to be done soonest. A place runs one op at a
// time; values travel between places beside the work, any number at once.
namespace tinyai {

struct PlacementProblem {
  static constexpr double kNever = std::numeric_limits<double>::infinity();

  struct Edge {
    uint32_t before, after;  // ops
    uint64_t bytes = 0;      // that travel if their places differ
  };
  struct Link {
    double latency_seconds = 0, seconds_per_byte = 0;  // both at least 0; infinity: no way
  };

  uint32_t places = 1;
  std::vector<double> seconds;  // [op * places + place]; at least 0, kNever: cannot run there
  std::vector<Edge> edges;
  std::vector<Link> links;        // [from * places + to]; those from a place to itself do not count
  std::vector<uint64_t> bytes;    // that each op holds at its place all the time; empty: none
  std::vector<uint64_t> budgets;  // of each place; empty: no limit

  uint32_t ops() const { return static_cast<uint32_t>(seconds.size() / places); }
};

struct PlacementResult {
  double seconds = 0, lower_bound_seconds = 0;
  std::vector<uint32_t> place;  // per op
  std::vector<double> start;    // per op, seconds

  bool optimal() const { return seconds <= lower_bound_seconds; }
};

// kFast: HEFT without insertion (Topcuoglu, Hariri and Wu 2002), each place alone, bounds;
// O((n + e) places^2 + n log n). kNormal: HEFT with insertion, then local search that moves an op
// or a connected part of a place, and branch and bound over orders and places for at most 12 ops,
// up to a number of steps that ends in about a second. kExact: branch and bound, for any number,
// until proved. Never worse than kFast. Equal problems and efforts give equal answers. Errors:
// BAD_PROBLEM: sizes that do not match, a cost that is negative or no number, an op without a
// place, an edge to an op that is not there, a cycle. BUDGET_INFEASIBLE (budget): no placement
// within the budgets was found; says whether there is none.
Result<PlacementResult> SolvePlacement(const PlacementProblem& problem, const SearchLimits& limits);

}  // namespace tinyai
