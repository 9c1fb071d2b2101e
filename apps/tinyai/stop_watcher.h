#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>

#include "base/result.h"
#include "os/thread.h"

namespace tinyai {

// Cuts short what the command does when a signal asks it to stop.
class StopWatcher {
 public:
  // Error THREAD.
  static Result<std::unique_ptr<StopWatcher>> Start();
  ~StopWatcher();

  // From now on, `cancel` is called once a signal has come (on another thread). Empty: forgotten;
  // when this returns, no call is under way.
  void CallOnStop(std::function<void()> cancel);

 private:
  StopWatcher() = default;
  void Watch();

  std::mutex mutex_;  // guards cancel_, done_
  std::condition_variable changed_;
  std::function<void()> cancel_;
  bool done_ = false;
  Thread thread_;
};

}  // namespace tinyai
