#pragma once

#include <cstdint>
#include <vector>

#include "plan/net_plan.h"
#include "plan/task_net.h"

namespace tinyai {

// When a command ran, in seconds from the start.
struct SimulatedSpan {
  NetOpId op{};
  double begin = 0, end = 0;
  double stalled = 0;  // waited for syncs right before
};

struct Simulation {
  double makespan = 0;  // of one iteration: in a loop, the time from one's end to the next one's
  std::vector<double> busy, stalled;  // by place, in the last iteration
  std::vector<uint64_t> moved_bytes;  // by place, in the last iteration
  std::vector<uint64_t> peaks;        // by memory: highest byte that is ever live
  std::vector<std::vector<SimulatedSpan>>
      spans;  // by place: the last iteration, from its first begin
};

// What a plan will do: a discrete-event simulation by the net's costs. Every queue goes on as soon
// as its syncs allow. A loop is followed until iterations take equally long at every place, at most
// `most_iterations`. Ops of regions that the caller decides on are carried out. `plan` is one that
// CheckNetPlan accepted.
Simulation Simulate(const TaskNet& net, const NetPlan& plan, uint32_t most_iterations = 8);
// The same of one way in which conditions come out. `carried`: by region, whether it is carried
// out; what is around such a one is too.
Simulation SimulateArms(const TaskNet& net, const NetPlan& plan, const std::vector<bool>& carried);

}  // namespace tinyai
