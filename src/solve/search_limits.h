#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

// What all searches of this folder have in common. Each is a pure function of its problem and these
// limits; only a deadline or a stop that ends it can make two runs differ.
namespace tinyai {

enum class Effort : uint8_t {
  kFast,    // heuristics and bounds only, near linear time
  kNormal,  // also exact methods, up to a number of states that ends in about a second
  kExact,   // until proved
};

struct SearchLimits {
  using Clock = std::chrono::steady_clock;

  Effort effort = Effort::kNormal;
  Clock::time_point deadline = Clock::time_point::max();
  std::stop_token stop;

  // Asks the clock, so call it once in some thousand steps. A search whose time is over returns the
  // best it has: even at once there is always a valid solution.
  bool expired() const {
    return stop.stop_requested() ||
           (deadline != Clock::time_point::max() && Clock::now() >= deadline);
  }
};

}  // namespace tinyai
