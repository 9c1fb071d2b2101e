#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string_view>

namespace tinyai::testing_models {

// Repeatable random numbers (SplitMix64), the same on every machine: a test's model follows from
// its seed. The stream of a tensor depends on its name, not on the other tensors.
class Random {
 public:
  Random(uint64_t seed, std::string_view name) : state_(seed * 0x9E3779B97F4A7C15 + 1) {
    for (const char c : name) state_ = (state_ ^ static_cast<uint8_t>(c)) * 0x100000001B3;
  }

  uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }  // [0, 1)
  uint64_t Below(uint64_t n) { return Next() % n; }
  float Normal() {
    const double radius = std::sqrt(-2 * std::log(1 - Uniform()));
    return static_cast<float>(radius * std::cos(2 * std::numbers::pi * Uniform()));
  }

 private:
  uint64_t state_;
};

}  // namespace tinyai::testing_models
