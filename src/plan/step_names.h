#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

// What people call the steps of a plan, by queue: "blk.0.attn_q[0..64]" is the product of these
// rows, "load blk.0.attn_q.weight[0..64]" reads them, "load part0[4096..8192]" reads bytes of a
// file that stay. The ops of the net that the plan was made from have the same names.
std::vector<std::vector<std::string>> StepNames(const Graph& graph, const Plan& plan);

}  // namespace tinyai
