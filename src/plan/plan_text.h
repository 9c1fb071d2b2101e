#pragma once

#include <string>

#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// The plan as text in the manner of the scheduling language: one block per run of steps of a queue
// in an order in which they may be issued, `--- name;` after the step a fence follows,
// `sync(name);` before the step that waits (`sync(name@-1)`: as of the pass before), with rows and
// arena offsets as comments.
std::string PlanText(const Graph& graph, const Plan& plan);

}  // namespace tinyai
