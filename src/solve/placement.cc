#include "solve/placement.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"
#include "solve/placement_net.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostToInsert = 4096;  // gaps are searched one by one
constexpr uint32_t kMostToImprove = 20'000;
constexpr uint32_t kMostToProve = 12;

bool FitsBudgets(const PlacementNet& net, const std::vector<uint32_t>& place) {
  if (net.problem.budgets.empty()) return true;
  std::vector<uint64_t> left = net.problem.budgets;
  for (uint32_t op = 0; op < net.ops; ++op) {
    if (left[place[op]] < net.Bytes(op)) return false;
    left[place[op]] -= net.Bytes(op);
  }
  return true;
}

// All at one place, or at the first of the others that can.
void TryEachPlaceAlone(const PlacementNet& net, PlacementResult& result) {
  PlacementTimes times(net);
  for (uint32_t alone = 0; alone < net.places; ++alone) {
    std::vector<uint32_t> place(net.ops, alone);
    for (uint32_t op = 0; op < net.ops; ++op) {
      for (uint32_t other = 0; !std::isfinite(net.Seconds(op, place[op])); ++other) {
        place[op] = other;
      }
    }
    if (!FitsBudgets(net, place)) continue;
    const double seconds = times.Evaluate(net.order, place, 0, result.seconds);
    if (!(seconds < result.seconds)) continue;
    result.seconds = seconds;
    result.place = std::move(place);
    result.start = times.start();
  }
}

}  // namespace

Result<PlacementResult> SolvePlacement(const PlacementProblem& problem,
                                       const SearchLimits& limits) {
  TRY_ASSIGN(const PlacementNet net, MakePlacementNet(problem));
  const double bound = PlacementBound(net);
  if (!std::isfinite(bound)) {
    return Fail(
        ErrorCode::kBadFile, "BAD_PROBLEM",
        "times add up to more than a number holds, or no link joins the places of some ops");
  }
  PlacementResult result = RunHeft(net, false);
  TryEachPlaceAlone(net, result);
  bool complete = false;
  if (limits.effort != Effort::kFast) {
    if (net.ops <= kMostToInsert) {
      PlacementResult inserted = RunHeft(net, true);
      if (inserted.seconds < result.seconds) result = std::move(inserted);
    }
    if (net.ops <= kMostToImprove && std::isfinite(result.seconds) && result.seconds > bound) {
      PlacementResult improved = result;
      ImprovePlacement(net, limits, improved);
      if (improved.seconds < result.seconds) result = std::move(improved);
    }
    if ((net.ops <= kMostToProve || limits.effort == Effort::kExact) && result.seconds > bound) {
      complete = SearchPlacement(net, limits, result);
    }
  }
  if (!std::isfinite(result.seconds)) {
    return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
                complete
                    ? "no placement of the ops lies within the budgets and along the links"
                    : "no placement of the ops within the budgets and along the links was found");
  }
  result.lower_bound_seconds = complete ? result.seconds : std::min(bound, result.seconds);
  return result;
}

}  // namespace tinyai
