#pragma once

#include <cstddef>
#include <cstdint>

namespace tinyai {

// Where the parts of a quantised activation row lie, in bytes from its start: the codes, then per
// block of 32
//   scale       float, element = scale * code
//   scaled_sum  float, scale * sum of the codes; times a type's `low`
//   sum         int32, -8 * sum of the codes; times a type's offset / 8
//   half_sum    two int32, the same for the two halves of 16
// Every part starts at a multiple of 4 bytes, the row has a multiple of 64.
struct QuantizedLayout {
  explicit constexpr QuantizedLayout(uint64_t cols)
      : scale(cols),
        scaled_sum(scale + cols / 8),
        sum(scaled_sum + cols / 8),
        half_sum(sum + cols / 8),
        row_bytes((half_sum + cols / 4 + 63) / 64 * 64) {}

  uint64_t scale;
  uint64_t scaled_sum;
  uint64_t sum;
  uint64_t half_sum;
  uint64_t row_bytes;
};

constexpr uint64_t kQuantizedBlock = 32;

}  // namespace tinyai
