#include "run/recorder.h"

#include <algorithm>
namespace tinyai {

Recorder::Recorder(const Plan& plan, uint64_t bytes) : lanes_(plan.queues.size()) {
  uint64_t steps = 0;
  for (const PlanQueue& queue : plan.queues) steps += queue.steps.size();
  const uint64_t records = bytes / sizeof(StepRecord);
  for (size_t i = 0; i < lanes_.size() && steps > 0; ++i) {
    const auto share = static_cast<uint64_t>(static_cast<double>(records) *
                                             static_cast<double>(plan.queues[i].steps.size()) /
                                             static_cast<double>(steps));
    lanes_[i].kept.resize(share);
  }
}

uint64_t Recorder::first_pass() const {
  uint64_t whole = 0, some = 0, last = 0;
  for (const Lane& lane : lanes_) {
    if (lane.count == 0) continue;
    last = std::max(last, lane.kept[(lane.count - 1) % lane.kept.size()].pass);
    if (lane.count <= lane.kept.size()) continue;
    const uint64_t oldest = lane.kept[lane.count % lane.kept.size()].pass;
    whole = std::max(whole, oldest + 1);
    some = std::max(some, oldest);
  }
  return whole <= last ? whole : some;
}

}  // namespace tinyai
