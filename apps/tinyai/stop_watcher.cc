#include "stop_watcher.h"

#include <unistd.h>

#include <chrono>

#include "os/signals.h"

namespace tinyai {
namespace {

constexpr std::chrono::milliseconds kLook(20);
// A command that has not ended by itself this long after the signal is stuck in the kernel, or in
// work that cannot be cut short; it has nothing that would need cleaning up.
constexpr std::chrono::milliseconds kGrace(400);

}  // namespace

Result<std::unique_ptr<StopWatcher>> StopWatcher::Start() {
  std::unique_ptr<StopWatcher> watcher(new StopWatcher());
  StopWatcher* const self = watcher.get();
  TRY_ASSIGN(watcher->thread_, Thread::Start({.name = "stop-watcher", .stack_bytes = 64 << 10},
                                             [self] { self->Watch(); }));
  return watcher;
}

StopWatcher::~StopWatcher() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
}

void StopWatcher::CallOnStop(std::function<void()> cancel) {
  const std::lock_guard lock(mutex_);
  cancel_ = std::move(cancel);
}

void StopWatcher::Watch() {
  using Clock = std::chrono::steady_clock;
  std::unique_lock lock(mutex_);
  Clock::time_point end = Clock::time_point::max();
  while (!done_) {
    changed_.wait_for(lock, kLook);
    if (StopSignal() == 0) continue;
    if (end == Clock::time_point::max()) end = Clock::now() + kGrace;
    if (cancel_) std::exchange(cancel_, {})();
    if (!done_ && Clock::now() >= end) ::_exit(128 + StopSignal());
  }
}

}  // namespace tinyai
