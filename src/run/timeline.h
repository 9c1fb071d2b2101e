#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tinyai {

// How far something has come: a number that only grows, written by one thread and waited for by
// others. Once stopped, waiting ends at once.
class Timeline {
 public:
  uint64_t value() const { return value_.load(std::memory_order_acquire); }

  // `value` is not below the present one. Called by the owner only. What the owner did before is
  // visible to whoever sees the value.
  void Advance(uint64_t value);
  // From any thread: ends all waits, present and later.
  void Stop();

  // True when `target` is reached; false when stopped before that, or after `timeout`.
  bool WaitFor(uint64_t target, std::chrono::nanoseconds timeout) const;
  // False when stopped before that.
  bool WaitFor(uint64_t target) const { return WaitFor(target, std::chrono::hours(24 * 365)); }
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }

 private:
  std::atomic<uint64_t> value_{0};
  std::atomic<bool> stopped_{false};
  mutable std::atomic<uint32_t> ticks_{0};  // what sleepers watch
  mutable std::atomic<uint32_t> sleepers_{0};
};

}  // namespace tinyai
