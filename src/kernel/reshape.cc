#include "kernel/reshape.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace tinyai {
namespace {

using Extents = std::array<uint64_t, kMaxRank>;

// Floats from one index of an axis to the next in a tensor without gaps.
Extents StridesOf(std::span<const uint64_t> shape) {
  Extents strides{};
  uint64_t stride = 1;
  for (size_t a = shape.size(); a-- > 0;) {
    strides[a] = stride;
    stride *= shape[a];
  }
  return strides;
}

// out[i][j] = x[i * i_stride + j * j_stride], in squares that both caches' lines fill.
void TransposePlane(const float* x, uint64_t i_stride, uint64_t i_count, uint64_t j_stride,
                    uint64_t j_count, float* out) {
  constexpr uint64_t kSquare = 16;
  if (j_stride == 1) {
    for (uint64_t i = 0; i < i_count; ++i) {
      std::memcpy(out + i * j_count, x + i * i_stride, j_count * sizeof(float));
    }
    return;
  }
  for (uint64_t i0 = 0; i0 < i_count; i0 += kSquare) {
    const uint64_t i_end = std::min(i0 + kSquare, i_count);
    for (uint64_t j0 = 0; j0 < j_count; j0 += kSquare) {
      const uint64_t j_end = std::min(j0 + kSquare, j_count);
      for (uint64_t i = i0; i < i_end; ++i) {
        for (uint64_t j = j0; j < j_end; ++j) {
          out[i * j_count + j] = x[i * i_stride + j * j_stride];
        }
      }
    }
  }
}

// What Transpose walks: the output's axes, as they lie in the input.
struct Walk {
  Extents sizes{};
  Extents strides{};
  size_t rank = 0;
};

// Axes from `axis` on; the last two at once. Returns where the next elements go.
float* TransposeFrom(const Walk& walk, size_t axis, const float* x, float* out) {
  const size_t left = walk.rank - axis;
  if (left == 0) {
    *out = *x;
    return out + 1;
  }
  if (left == 1) {
    TransposePlane(x, 0, 1, walk.strides[axis], walk.sizes[axis], out);
    return out + walk.sizes[axis];
  }
  if (left == 2) {
    TransposePlane(x, walk.strides[axis], walk.sizes[axis], walk.strides[axis + 1],
                   walk.sizes[axis + 1], out);
    return out + walk.sizes[axis] * walk.sizes[axis + 1];
  }
  for (uint64_t i = 0; i < walk.sizes[axis]; ++i) {
    out = TransposeFrom(walk, axis + 1, x + i * walk.strides[axis], out);
  }
  return out;
}

// The input's index for the output's index o; `in` where there is none.
uint64_t Source(const PadShape& shape, size_t axis, uint64_t o) {
  const uint64_t in = shape.in[axis], before = shape.before[axis];
  if (o >= before && o - before < in) return o - before;
  if (shape.kind == PadKind::kConstant || in == 0) return in;
  if (shape.kind == PadKind::kEdge) return o < before ? 0 : in - 1;
  return o < before ? before - o : 2 * (in - 1) - std::min(o - before, 2 * (in - 1));
}

// Fills axes from `axis` on from x, or with the value where x is null.
float* PadFrom(const PadShape& shape, const Extents& strides, size_t axis, IndexRange range,
               const float* x, float* out) {
  const bool last = axis + 1 == shape.out.size();
  for (uint64_t o = range.first; o < range.end; ++o) {
    const uint64_t i = Source(shape, axis, o);
    const float* from = x == nullptr || i == shape.in[axis] ? nullptr : x + i * strides[axis];
    if (last) {
      *out++ = from == nullptr ? shape.value : *from;
    } else {
      out = PadFrom(shape, strides, axis + 1, {0, shape.out[axis + 1]}, from, out);
    }
  }
  return out;
}

}  // namespace

void CopyRows(const float* x, uint64_t x_stride, uint64_t rows, uint64_t cols, float* out,
              uint64_t out_stride) {
  for (uint64_t r = 0; r < rows; ++r) {
    std::memcpy(out + r * out_stride, x + r * x_stride, cols * sizeof(float));
  }
}

void Transpose(const float* x, std::span<const uint64_t> shape, std::span<const uint32_t> order,
               IndexRange first_axis, float* out) {
  if (first_axis.first >= first_axis.end) return;
  const Extents strides = StridesOf(shape);
  Walk walk;
  walk.rank = order.size();
  for (size_t a = 0; a < order.size(); ++a) {
    walk.sizes[a] = shape[order[a]];
    walk.strides[a] = strides[order[a]];
  }
  walk.sizes[0] = first_axis.size();
  TransposeFrom(walk, 0, x + first_axis.first * walk.strides[0], out);
}

void Pad(const PadShape& shape, const float* x, IndexRange first_axis, float* out) {
  PadFrom(shape, StridesOf(shape.in), 0, first_axis, x, out);
}

}  // namespace tinyai
