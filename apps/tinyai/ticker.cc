#include "ticker.h"

namespace tinyai {

Result<std::unique_ptr<Ticker>> Ticker::Start(std::chrono::milliseconds period,
                                              std::function<void()> tick) {
  std::unique_ptr<Ticker> ticker(new Ticker());
  const auto run = [self = ticker.get(), period, tick = std::move(tick)] {
    std::unique_lock lock(self->mutex_);
    while (!self->changed_.wait_for(lock, period, [self] { return self->done_; })) {
      lock.unlock();
      tick();
      lock.lock();
    }
  };
  TRY_ASSIGN(ticker->thread_, Thread::Start({.name = "ticker", .stack_bytes = 128 << 10}, run));
  return ticker;
}

Ticker::~Ticker() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
}

}  // namespace tinyai
