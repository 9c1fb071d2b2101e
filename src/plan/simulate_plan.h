#pragma once

#include "graph/graph.h"
#include "plan/plan.h"
#include "plan/request.h"
#include "plan/simulate.h"

namespace tinyai {

// What a plan that CheckPlan accepted will do in passes over one token: the same that Simulate says
// of the net it was made of, whoever made it. The simulation's ops are the plan's steps, queue by
// queue. A plan with a device is for a request that has it.
Simulation SimulatePlan(const Graph& graph, const Plan& plan, const PlanRequest& request);

}  // namespace tinyai
