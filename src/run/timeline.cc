#include "run/timeline.h"

#include "os/futex.h"

namespace tinyai {

// value_ and sleepers_ are written and read in one total order, so either the sleeper sees the new
// value or Advance sees the sleeper.
void Timeline::Advance(uint64_t value) {
  value_.store(value);
  if (sleepers_.load() == 0) return;
  ticks_.fetch_add(1);
  WakeAll(ticks_);
}

void Timeline::Stop() {
  stopped_.store(true);
  ticks_.fetch_add(1);
  WakeAll(ticks_);
}

bool Timeline::WaitFor(uint64_t target, std::chrono::nanoseconds timeout) const {
  for (uint32_t i = 0; i < kShortSpin; ++i) {
    if (value() >= target) return true;
    if (stopped()) return false;
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  sleepers_.fetch_add(1);
  bool reached = false;
  for (;;) {
    const uint32_t ticks = ticks_.load();
    reached = value_.load() >= target;
    if (reached || stopped_.load()) break;
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) break;
    WaitWhileEqual(ticks_, ticks, left, 0);
  }
  sleepers_.fetch_sub(1);
  return reached;
}

}  // namespace tinyai
