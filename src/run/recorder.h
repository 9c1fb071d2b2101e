#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace tinyai {

// When a step of a queue ran, in nanoseconds of the monotonic clock.
struct StepRecord {
  int64_t begin_ns = 0, end_ns = 0;
  uint32_t stalled_us = 0;  // the queue waited for others right before
  uint32_t step = 0;
  uint64_t pass = 0;
};

// As records have it: at most an hour and eleven minutes.
inline uint32_t Microseconds(int64_t ns) {
  return static_cast<uint32_t>(std::min<int64_t>(ns / 1000, ~uint32_t{0}));
}

// Keeps the last records of each queue, as many as fit; takes its memory once. Each queue is
// recorded by one thread; everything else is for when those threads have ended.
class Recorder {
 public:
  // In `bytes` at most, divided between the queues of `plan` by their steps.
  Recorder(const Plan& plan, uint64_t bytes);

  void Record(uint32_t queue, const StepRecord& record) {
    Lane& lane = lanes_[queue];
    if (lane.kept.empty()) return;
    lane.kept[lane.count++ % lane.kept.size()] = record;
  }

  // Calls visit(record) for those of a queue, the oldest first.
  template <typename Visit>
  void Each(uint32_t queue, Visit visit) const {
    const Lane& lane = lanes_[queue];
    const uint64_t first = lane.count - std::min<uint64_t>(lane.count, lane.kept.size());
    for (uint64_t i = first; i < lane.count; ++i) visit(lane.kept[i % lane.kept.size()]);
  }

  // The first pass of which no queue has lost a record; where none is whole, the first of which
  // all queues have some.
  uint64_t first_pass() const;

 private:
  struct Lane {
    std::vector<StepRecord> kept;  // a ring
    uint64_t count = 0;            // ever recorded
  };
  std::vector<Lane> lanes_;  // by queue
};

}  // namespace tinyai
