#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tinyai {

// Which layer a cache of weights lets go, and which it had better read ahead. Knows neither bytes
// nor I/O, so a test can drive it one access at a time. Not thread-safe.
//
// Adaptive: it remembers for each layer which one was used after it (at first, the next by number)
// and keeps count of how often that was right. While it mostly is, the layer goes whose next use
// is farthest away along that chain (Belady 1966); a cyclic walk through N layers with room for C
// then finds (C - 1) / (N - 1) of them, where the least recently used rule finds none. While it
// mostly is not, the layer used least often goes, older uses counting less. Otherwise: least
// recently used.
class ResidencyPolicy {
 public:
  ResidencyPolicy(size_t layers, bool adaptive);

  void Access(uint32_t layer);
  // The one of `candidates` (at least one) to let go first.
  uint32_t Victim(std::span<const uint32_t> candidates) const;
  // Up to `count` layers that come next, in order; none while the order is not regular.
  std::vector<uint32_t> Next(size_t count) const;
  bool regular() const;

 private:
  double Frequency(uint32_t layer) const;

  const bool adaptive_;
  std::vector<uint32_t> successor_;  // by layer
  std::vector<uint64_t> last_use_;   // tick, 0: never
  std::vector<double> frequency_;    // at last_use_
  uint64_t tick_ = 0;
  int64_t current_ = -1;
  uint32_t outcomes_ = 0;  // of the last predictions, a bit each: 1 is wrong
  uint32_t predictions_ = 0;
};

}  // namespace tinyai
