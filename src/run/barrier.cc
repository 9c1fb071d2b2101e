#include "run/barrier.h"

#include <chrono>

#include "os/futex.h"

namespace tinyai {
namespace {

// About 20 us: most steps are shorter than a sleep and a wake-up would be. Longer spinning would
// starve a worker that shares the core.
constexpr uint32_t kSpins = 500;

}  // namespace

bool Barrier::Wait() {
  const uint32_t round = round_.load();
  if (arrived_.fetch_add(1) + 1 == workers_) {
    arrived_.store(0);
    round_.fetch_add(1);
    if (sleepers_.load() != 0) WakeAll(round_);
    return !stopped_.load();
  }
  if (WaitWhileEqual(round_, round, std::chrono::nanoseconds(0), kSpins)) return !stopped_.load();
  sleepers_.fetch_add(1);
  while (round_.load() == round && !stopped_.load()) {
    WaitWhileEqual(round_, round, std::chrono::hours(1), 0);
  }
  sleepers_.fetch_sub(1);
  return !stopped_.load();
}

void Barrier::Stop() {
  stopped_.store(true);
  round_.fetch_add(1);
  WakeAll(round_);
}

}  // namespace tinyai
