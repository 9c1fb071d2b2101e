#pragma once

#include <cstdint>

#include "kernel/conv.h"

namespace tinyai {

// A convolution as one or more passes, each of which computes a grid of outputs that all use the
// same taps at inputs that move evenly: a plain convolution in one, a transposed one in one per
// residue of its strides, so that no product with a gap between inputs is ever taken.

// Along one axis: output `first_out + g * out_step` for g < grid gets, for i < taps, tap
// `first_tap + i * tap_step` times input `first_in + g * in_step + i * tap_in`, which is zero
// outside [0, in).
struct AxisPass {
  uint64_t grid;
  uint64_t first_out, out_step;
  uint64_t taps;
  uint64_t first_tap, tap_step;
  int64_t in;
  int64_t first_in, in_step, tap_in;

  int64_t Input(uint64_t g, uint64_t i) const {
    return first_in + static_cast<int64_t>(g) * in_step + static_cast<int64_t>(i) * tap_in;
  }
};

// How many passes an axis takes, and pass `index` for the outputs `outs`; its grid may be empty.
uint64_t PassesOf(const WindowAxis& axis, bool transposed);
AxisPass PassOf(const WindowAxis& axis, bool transposed, uint64_t index, IndexRange outs);

}  // namespace tinyai
