#pragma once

#include <cstdint>
#include <vector>

#include "plan/simulate.h"

namespace tinyai {

// The spans of the first iterations of a net that loops, each by place, on one clock that starts
// with the first one. As Simulate, which tells the one in which they have settled.
std::vector<std::vector<std::vector<SimulatedSpan>>> SimulateTurns(const TaskNet& net,
                                                                   const NetPlan& plan,
                                                                   uint32_t turns);

}  // namespace tinyai
