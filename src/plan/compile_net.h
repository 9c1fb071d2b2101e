#pragma once

#include <functional>
#include <vector>

#include "plan/net_passes.h"
#include "plan/net_plan.h"
#include "plan/objective.h"
#include "plan/simulate.h"
#include "plan/task_net.h"
#include "solve/search_limits.h"

namespace tinyai {

// An op that the planner added since memory was short.
struct AddedOp {
  enum class Kind : uint8_t { kRecompute, kSpill, kFetch };
  Kind kind = Kind::kRecompute;
  NetOpId op{};
  NetValueId value{};        // what did not have to stay in memory
  NetOpId before{};          // its next use
  uint64_t freed_bytes = 0;  // at the moment that was overfull
  double seconds = 0;
};

// What fewer syncs would cost.
struct SyncPoint {
  uint64_t syncs = 0, fences = 0;
  double makespan = 0;  // as simulated
};

// A net's plan, and how good it is.
struct PlannedNet {
  NetPlan plan;
  std::vector<NetOpId> order;     // one order of all ops that the queues follow
  std::vector<PlaceId> place_of;  // by op
  Simulation simulation;
  uint64_t moved_bytes = 0;
  Bounded syncs;  // the bound: for these places, whatever the order
  Bounded fences;
  double least_makespan =
      0;  // seconds; no plan on these places, or on any if they were chosen, is faster
  std::vector<Bounded> peaks;     // by memory; the bound: for this order
  std::vector<SyncCause> causes;  // of every sync
  // Of a loop, on demand (SyncCurve): fewer and fewer syncs for longer and longer iterations.
  std::vector<SyncPoint> sync_curve;
  std::optional<TaskNet> net;  // what the plan is of, where that is not the net as it was given
  std::vector<AddedOp> added;  // in that net
};

// An order of ops that holds all needs, places for them, and orders besides the needs that it
// counts on (a sync that stands for several needs).
struct NetDraft {
  std::vector<NetOpId> order;
  std::vector<PlaceId> place_of;  // by op
  std::vector<NetNeed> extra;
};

// The net's own order, and its ops' first places.
std::vector<NetOpId> InOrder(const TaskNet& net);
std::vector<PlaceId> OnlyPlaces(const TaskNet& net);

// Plans a net whose order and places are decided: each queue takes its ops from the order. Errors:
// BUDGET_INFEASIBLE where the buffers do not fit their memory, PLAN_INVALID if the checker refuses
// the plan (a fault of ours).
Result<PlannedNet> PlanInOrder(const TaskNet& net, const NetDraft& draft);

// How many syncs plans of this draft need that take no longer than `planned`, the draft's own, and
// up to some tenths longer: each point a plan that the checker accepted. The first one is the plan
// itself, each of the others has fewer syncs than those before it.
std::vector<SyncPoint> SyncCurve(const TaskNet& net, const NetDraft& draft,
                                 const PlannedNet& planned);

// Decides everything: places, order, buffers, syncs. Tries several drafts (least syncs, earliest
// end, least memory, the program's own order), plans each and keeps the one that the objective
// likes best among those that fit their memories. kFast tries the first one that fits. Errors:
// those of CheckNet; BUDGET_INFEASIBLE naming what the best order found needs. Where no draft fits,
// the one that comes nearest is changed by ShrinkPeak. `visit` sees every plan that it chooses
// from.
using PlanVisitor = std::function<void(const PlannedNet&)>;
Result<PlannedNet> CompileNet(const TaskNet& net, const NetObjective& objective,
                              const SearchLimits& limits, const PlanVisitor& visit = {});

}  // namespace tinyai
