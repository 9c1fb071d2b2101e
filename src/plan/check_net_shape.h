#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plan/net_plan.h"

// What the checker of net plans asks of a plan before it follows its queues.
namespace tinyai {

// Where an op is done.
struct CommandAt {
  uint32_t place = 0, command = 0;
};

tl::unexpected<Error> InvalidPlan(std::string_view rule, std::string_view where, std::string what);

// "PLACE command N (op)"
std::string CommandNameOf(const TaskNet& net, const NetPlan& plan, size_t place, size_t at);

// That every id exists, every op is done once at a place that can (V1, V7), syncs wait for points
// of other queues (V4), buffers lie in their memories, within the budgets (V11), and arms are seen
// only from inside and by what merges them (V12). By op: where it is done. Errors: those of
// CheckNetPlan.
Result<std::vector<CommandAt>> CheckNetShape(const TaskNet& net, const NetPlan& plan);

}  // namespace tinyai
