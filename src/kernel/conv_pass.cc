#include "kernel/conv_pass.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

AxisPass Plain(const WindowAxis& axis, IndexRange outs) {
  const auto stride = static_cast<int64_t>(axis.stride);
  return {.grid = outs.size(),
          .first_out = outs.first,
          .out_step = 1,
          .taps = axis.size,
          .first_tap = 0,
          .tap_step = 1,
          .in = static_cast<int64_t>(axis.in),
          .first_in = static_cast<int64_t>(outs.first) * stride - static_cast<int64_t>(axis.pad),
          .in_step = stride,
          .tap_in = static_cast<int64_t>(axis.dilation)};
}

}  // namespace

uint64_t PassesOf(const WindowAxis& axis, bool transposed) { return transposed ? axis.stride : 1; }

AxisPass PassOf(const WindowAxis& axis, bool transposed, uint64_t index, IndexRange outs) {
  if (!transposed) return Plain(axis, outs);
  AxisPass pass{};
  pass.out_step = axis.stride;
  pass.in = static_cast<int64_t>(axis.in);
  pass.in_step = 1;
  // The first output at or after outs.first whose distance from the padding's begin is `index`
  // more than a multiple of the stride.
  const uint64_t residue = (outs.first + axis.pad) % axis.stride;
  pass.first_out = outs.first + (index + axis.stride - residue) % axis.stride;
  if (pass.first_out < outs.end) {
    pass.grid = (outs.end - 1 - pass.first_out) / axis.stride + 1;
  }
  // Taps k with k * dilation = index modulo the stride come back after `period`.
  const uint64_t period = axis.stride / std::gcd(axis.stride, axis.dilation);
  pass.tap_step = period;
  while (pass.first_tap < period && pass.first_tap * axis.dilation % axis.stride != index) {
    ++pass.first_tap;
  }
  if (pass.first_tap < period && pass.first_tap < axis.size) {
    pass.taps = (axis.size - 1 - pass.first_tap) / period + 1;
  }
  const auto stride = static_cast<int64_t>(axis.stride);
  const auto from_pad = static_cast<int64_t>(pass.first_out + axis.pad);
  pass.first_in = (from_pad - static_cast<int64_t>(pass.first_tap * axis.dilation)) / stride;
  pass.tap_in = -static_cast<int64_t>(period * axis.dilation) / stride;
  return pass;
}

}  // namespace tinyai
