#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "os/thread.h"

namespace tinyai {

// Calls a function again and again, on a thread of its own, until destroyed.
class Ticker {
 public:
  // Error THREAD.
  static Result<std::unique_ptr<Ticker>> Start(std::chrono::milliseconds period,
                                               std::function<void()> tick);
  ~Ticker();

 private:
  Ticker() = default;

  std::mutex mutex_;  // guards done_
  std::condition_variable changed_;
  bool done_ = false;
  Thread thread_;  // last: joined first
};

}  // namespace tinyai
