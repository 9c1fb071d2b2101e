#pragma once

#include <cstddef>
#include <span>

#include "base/dtype.h"
#include "base/result.h"

namespace tinyai {

// A row of weights as a tensor of this type has it. `out` has RowBytes(type, x.size()) bytes, and
// the row is a whole number of the type's blocks. Every weight is within the bound of its group of
// 32, whose largest magnitude is m:
//   Q8_0  m / 254, Q4_0  m / 15, INT2  m / 3, plus the rounding of the scale to F16, one part in
//   2048 of m
//   F16, BF16  nearest, subnormals included; F32  exact.
// Error PRECISION_UNSUPPORTED for the other types.
Status EncodeWeights(DType type, std::span<const float> x, std::span<std::byte> out);

}  // namespace tinyai
