#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "plan/plan.h"

namespace tinyai {

inline constexpr size_t kPlanQueues = 4;  // at most: with a device, or where something is spilled

// What can be seen of a plan without following its queues: that its parts match the model, that
// buffers suit their uses and do not overlap, that fences exist and that its sums are right. From
// then on every index in the plan is valid. Error PLAN_INVALID.
Status CheckPlanParts(const Graph& graph, const Plan& plan);

// PLAN_INVALID unless the buffer has so many bytes.
Status NeedBytes(const PlanBuffer& buffer, uint64_t bytes, std::string_view what);

tl::unexpected<Error> InvalidPlan(std::string where, std::string reason);
std::string StepName(const Plan& plan, size_t queue, size_t step);  // "CPU step 3"

}  // namespace tinyai
