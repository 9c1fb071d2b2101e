#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/matmul.h"
#include "kernel/window.h"

namespace tinyai {

// A convolution of one sample, [in_channels][rows.in][cols.in] to [out_channels][rows.out]
// [cols.out]; a 1-D one has rows = WindowAxis{}. Both counts of channels are multiples of `groups`;
// depthwise is groups = in_channels. Sizes of a map and of the weights stay below 2^40 elements.
//
// A transposed one is the gradient of a convolution that takes `out` to `in`: output o gets input i
// times tap k where o = i * stride - pad + k * dilation.
struct ConvShape {
  uint64_t in_channels = 1;
  uint64_t out_channels = 1;
  uint64_t groups = 1;
  WindowAxis rows;
  WindowAxis cols;
  bool transposed = false;

  // Weights of an output channel: [in_channels / groups][rows.size][cols.size].
  uint64_t WeightCols() const { return in_channels / groups * rows.size * cols.size; }
};

// The rows of the input that the outputs `out_rows` read: what a tile needs, with its halo.
IndexRange ConvRowsRead(const ConvShape& shape, IndexRange out_rows);

// Bytes of workspace that a call needs, 64-byte aligned; below 2 MiB whatever the shape.
uint64_t ConvWorkspaceBytes(const ConvShape& shape, DType weight_type);

// out[o][y][x] = bias[o] + sum over c, ky, kx of weight times input, for the part's o and y.
// `weights` has the part's rows only: one of WeightCols() elements per output channel, also when
// transposed, of any type (quantised ones are decoded). `bias`, one float per channel of the part,
// may be null. Each result is computed in one fixed order: it has the same bits whatever the part.
// `x` and `out` do not overlap. No allocation, no threads, at most 64 KiB of stack. Fastest for
// channels in multiples of 16 and at least a hundred pixels a call.
void Conv(const ConvShape& shape, const InputMap& x, const WeightRows& weights, const float* bias,
          const MapPart& part, std::span<std::byte> workspace, const OutputMap& out);

}  // namespace tinyai
