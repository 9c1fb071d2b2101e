#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "plan/plan.h"
#include "run/timeline.h"

namespace tinyai {

// How far the queues of a running plan have come, for those who wait at their fences. All of it is
// added before anybody asks; thread-safe from then on.
class QueueClocks {
 public:
  // `plan` outlives this object, and so do the timelines.
  explicit QueueClocks(const Plan& plan) : plan_(plan) {}

  // One of those whose work the queue's is together: it has come as far as the last of them.
  void Add(uint32_t queue, const Timeline& timeline) { of_queue_[queue].push_back(&timeline); }

  // Steps from the start that a sync of this pass waits for; nothing for a fence of a pass before
  // the first.
  std::optional<uint64_t> Target(const Sync& sync, uint64_t pass) const {
    if (sync.distance > pass) return std::nullopt;
    const Fence& fence = plan_.fences[Index(sync.fence)];
    return (pass - sync.distance) * plan_.queues[fence.queue].steps.size() + fence.step + 1;
  }
  uint32_t queue_of(const Sync& sync) const { return plan_.fences[Index(sync.fence)].queue; }

  bool Reached(uint32_t queue, uint64_t target) const {
    for (const Timeline* timeline : of_queue_[queue]) {
      if (timeline->value() < target) return false;
    }
    return true;
  }
  // False when stopped before that.
  bool WaitFor(uint32_t queue, uint64_t target) const {
    for (const Timeline* timeline : of_queue_[queue]) {
      if (!timeline->WaitFor(target)) return false;
    }
    return true;
  }

  // For each of them, in this pass; false when stopped before that.
  bool WaitFor(std::span<const Sync> syncs, uint64_t pass) const {
    for (const Sync& sync : syncs) {
      const std::optional<uint64_t> target = Target(sync, pass);
      if (target && !WaitFor(queue_of(sync), *target)) return false;
    }
    return true;
  }

 private:
  const Plan& plan_;
  std::array<std::vector<const Timeline*>, kDeviceQueue + 1> of_queue_;
};

}  // namespace tinyai
