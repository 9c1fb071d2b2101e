#include "kernel/conv.h"

#include <algorithm>
#include <cmath>

namespace tinyai {
namespace {

// The input that tap k of output o reads; axis.in where there is none.
uint64_t InputOf(const WindowAxis& axis, bool transposed, uint64_t o, uint64_t k) {
  if (!transposed) {
    const uint64_t at = o * axis.stride + k * axis.dilation;
    return at < axis.pad ? axis.in : std::min(at - axis.pad, axis.in);
  }
  const uint64_t at = o + axis.pad;
  if (at < k * axis.dilation) return axis.in;
  const uint64_t distance = at - k * axis.dilation;
  return distance % axis.stride == 0 ? std::min(distance / axis.stride, axis.in) : axis.in;
}

}  // namespace

IndexRange ConvRowsRead(const ConvShape& shape, IndexRange out_rows) {
  const WindowAxis& axis = shape.rows;
  if (!shape.transposed) return RowsRead(axis, out_rows);
  if (out_rows.first >= out_rows.end) return {0, 0};
  const uint64_t reach = (axis.size - 1) * axis.dilation;
  const uint64_t first = out_rows.first + axis.pad, last = out_rows.end - 1 + axis.pad;
  const uint64_t begin = first > reach ? (first - reach + axis.stride - 1) / axis.stride : 0;
  const uint64_t end = std::min(last / axis.stride + 1, axis.in);
  return begin < end ? IndexRange{begin, end} : IndexRange{0, 0};
}

uint64_t ConvWorkspaceBytes(const ConvShape& shape, DType) {
  return (shape.WeightCols() * sizeof(float) + 63) / 64 * 64;
}

void Conv(const ConvShape& shape, const InputMap& x, const WeightRows& weights, const float* bias,
          const MapPart& part, std::span<std::byte> workspace, const OutputMap& out) {
  const uint64_t in_group = shape.in_channels / shape.groups;
  const uint64_t out_group = shape.out_channels / shape.groups;
  auto* row = reinterpret_cast<float*>(workspace.data());
  const uint64_t row_bytes = RowBytes(weights.type, weights.cols);
  for (uint64_t o = part.channels.first; o < part.channels.end; ++o) {
    const uint64_t index = o - part.channels.first;
    DecodeRow(weights.type, weights.data + index * row_bytes, {row, shape.WeightCols()});
    float* to = out.data + index * out.channel_stride;
    const float* from = x.data + o / out_group * in_group * x.channel_stride;
    for (uint64_t r = part.rows.first; r < part.rows.end; ++r) {
      for (uint64_t col = 0; col < shape.cols.out; ++col) {
        float sum = 0;
        const float* w = row;
        for (uint64_t c = 0; c < in_group; ++c) {
          for (uint64_t ky = 0; ky < shape.rows.size; ++ky) {
            const uint64_t y = InputOf(shape.rows, shape.transposed, r, ky);
            for (uint64_t kx = 0; kx < shape.cols.size; ++kx, ++w) {
              const uint64_t at = InputOf(shape.cols, shape.transposed, col, kx);
              if (y == shape.rows.in || at == shape.cols.in) continue;
              sum += *w * from[c * x.channel_stride + (y - x.first_row) * shape.cols.in + at];
            }
          }
        }
        *to++ = sum + (bias == nullptr ? 0.0f : bias[index]);
      }
    }
  }
}

}  // namespace tinyai
