#pragma once

#include <vector>

#include "plan/net_passes.h"
#include "plan/net_plan.h"
#include "plan/simulate.h"
#include "plan/task_net.h"

namespace tinyai {

// A net's plan, and how good it is.
struct PlannedNet {
  NetPlan plan;
  Simulation simulation;
  Bounded syncs;  // with these queues; the bound holds for any queues with these places
  std::vector<Bounded> peaks;  // by memory, with this order
};

// Plans a net whose ops run where and in which order has been decided: `order` holds every op once
// and contradicts no need; each queue takes its ops from it in order. Errors: BUDGET_INFEASIBLE
// where the buffers do not fit their memory, PLAN_INVALID if the checker refuses the plan (a fault
// of ours).
Result<PlannedNet> PlanInOrder(const TaskNet& net, const std::vector<NetOpId>& order,
                               const std::vector<PlaceId>& place_of);

}  // namespace tinyai
