#pragma once

#include <cstdint>

#include "kernel/window.h"

namespace tinyai {

enum class PoolKind : uint8_t {
  kMax,            // of the values; padding never wins
  kAverage,        // over the values that are there
  kAveragePadded,  // over the whole window, padding as zeros
};

// Pools each channel by itself; a window that holds padding alone gives zero. Global pooling is
// Reduce (reduce.h) over a channel's elements. A NaN in a window is its maximum. `x` and `out` do
// not overlap.
void Pool(PoolKind kind, const WindowAxis& rows, const WindowAxis& cols, const InputMap& x,
          const MapPart& part, const OutputMap& out);

}  // namespace tinyai
