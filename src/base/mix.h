#pragma once

#include <cstdint>

namespace tinyai {

// Every bit of the result depends on every bit of x (the finisher of splitmix64, Steele et al.
// 2014).
constexpr uint64_t Mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace tinyai
