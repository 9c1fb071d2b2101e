#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tinyai {

// A row of activations in 8 bits: blocks of 32 with a float scale, and the sums that types with a
// minimum need. One row is one run of bytes, the same on every instruction set
// (quantized_layout.h). Rows are best 64-byte aligned.

// Bytes of a row of `cols` elements, a multiple of 64. `cols` is a multiple of 32.
uint64_t QuantizedRowBytes(uint64_t cols);

// x rounded to 8 bits: scale = max|x| / 127 per block of 32. `row` has QuantizedRowBytes(x.size()).
void QuantizeRow(std::span<const float> x, std::byte* row);

}  // namespace tinyai
