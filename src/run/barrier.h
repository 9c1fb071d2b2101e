#pragma once

#include <atomic>
#include <cstdint>

namespace tinyai {

// Where a fixed number of workers wait for each other, again and again.
class Barrier {
 public:
  explicit Barrier(uint32_t workers) : workers_(workers) {}

  // Returns when all have arrived; what each did before is visible to all after. False once
  // stopped.
  bool Wait();
  void Stop();

 private:
  const uint32_t workers_;
  std::atomic<uint32_t> arrived_{0};
  std::atomic<uint32_t> round_{0};
  std::atomic<uint32_t> sleepers_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace tinyai
