#pragma once

#include "base/result.h"
#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// Whether a plan is right, whoever made it; shares no code with the passes. Follows every queue
// through three passes with a vector of what each knows of the others and checks that
// - buffers and steps stay inside the arena and files' tensors, and nothing overlaps that may not;
// - every op runs once per pass, in an order its operands allow, each product over all its rows;
// - whatever a step reads was written by a step known to have finished, and holds that very data;
// - nothing is overwritten before its last reader is known to have finished;
// - no sync is stale or waits for what comes after it, and the queues cannot deadlock;
// - workers join wherever one needs what another computed.
// Error PLAN_INVALID (exit 7) naming queue, step and reason.
Status CheckPlan(const Graph& graph, const Plan& plan);

}  // namespace tinyai
