#pragma once

#include <time.h>

#include <cstdint>

namespace tinyai {

// Nanoseconds of a clock that only runs forward, whatever happens to the date.
inline int64_t MonotonicNs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace tinyai
