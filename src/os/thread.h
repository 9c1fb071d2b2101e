#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/result.h"

namespace tinyai {

struct ThreadOptions {
  std::string name = {};                 // shown by ps and debuggers; at most 15 bytes are kept
  size_t stack_bytes = size_t{1} << 20;  // held as far as it is touched
  std::optional<uint32_t> cpu = {};      // runs on this CPU only; ignored if it may not
};

// A thread with a stack of known size, joined by the destructor. Signals from outside are blocked
// in it, so that they reach the thread that knows what to do with them.
class Thread {
 public:
  Thread() = default;
  // Error THREAD if the system has no room for another one; `body` has not run then. `body` lets
  // no exception out.
  static Result<Thread> Start(const ThreadOptions& options, std::function<void()> body);
  Thread(Thread&& other) noexcept { *this = std::move(other); }
  Thread& operator=(Thread&& other) noexcept;
  ~Thread() { Join(); }

  void Join();
  // Lets it run on its own: for a thread stuck in the kernel.
  void Detach();

 private:
  std::optional<pthread_t> handle_;
};

}  // namespace tinyai
