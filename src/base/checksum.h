#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tinyai {

// XXH3 (64 bits) of `bytes`: tells damage, not malice.
uint64_t Checksum(std::span<const std::byte> bytes, uint64_t seed = 0);

// The same, seed 0, of bytes that come piece by piece.
class RunningChecksum {
 public:
  RunningChecksum();
  ~RunningChecksum();
  void Add(std::span<const std::byte> bytes);
  uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tinyai
