#pragma once

#include <string>

#include "base/result.h"
#include "graph/graph.h"
#include "lang/diagnostics.h"
#include "plan/plan.h"
#include "plan/request.h"

namespace tinyai {

// The plan as text in the scheduling language, offsets and all: docs/plan.md, "The text". One block
// per run of steps of a queue, in an order in which they may be issued. ReadPlan gives the same
// plan again, with its fences numbered by queue and step. Every fence and buffer that the plan
// names must exist; beyond that it need not be one that CheckPlan accepts.
std::string WritePlan(const Graph& graph, const Plan& plan);

// The plan that the source of `diagnostics` holds, accepted by CheckPlan. All mistakes go to
// `diagnostics`; the error is the first of them:
// - SCHEDULE_SYNTAX: this is no schedule;
// - PLAN_MISMATCH: a plan of another version, or for another model;
// - PLAN_INVALID: it has something that no plan has, lacks something, is refused by the checker, or
//   was changed after its seal.
Result<Plan> ReadPlan(const Graph& graph, Diagnostics& diagnostics);

// Whether a plan that was made for another occasion will do for this one. Error PLAN_MISMATCH
// naming what differs: workers, context, cache types, chunk, blocks of the disk, or more memory
// than the budget.
Status CheckPlanSuits(const Plan& plan, const PlanRequest& request);

}  // namespace tinyai
