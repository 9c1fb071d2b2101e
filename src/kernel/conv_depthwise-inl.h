// Convolutions of one input channel per output channel: too few taps for tiles to pay. A channel's
// input is laid out once, with its padding and, for strides, split into planes by the residue of
// row and column, so that every tap of neighbouring outputs is one load at a constant distance.

#if defined(TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#undef TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#else
#define TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#endif

#include "kernel/conv_pack-inl.h"
#include "kernel/depthwise_planes.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

static_assert(kLanes <= kPlaneSlack);

// Lays out the rows that the outputs [first, first + planes.out_rows) read.
template <int kStep>
void FillPlanes(const ConvShape& shape, const InputMap& x, const float* channel, uint64_t first,
                const DepthwisePlanes& planes, float* to) {
  const uint64_t row_stride = shape.rows.stride, col_stride = shape.cols.stride;
  const auto in = static_cast<int64_t>(shape.cols.in);
  int64_t y = static_cast<int64_t>(first * row_stride) - static_cast<int64_t>(shape.rows.pad);
  uint64_t row_residue = 0;
  float* line = to;  // of column residue 0
  for (uint64_t i = 0; i < planes.in_rows; ++i, ++y) {
    const bool outside = y < 0 || y >= static_cast<int64_t>(shape.rows.in);
    const float* row = channel + (y - static_cast<int64_t>(x.first_row)) * in;
    for (uint64_t residue = 0; residue < col_stride; ++residue) {
      const auto at = static_cast<int64_t>(residue) - static_cast<int64_t>(shape.cols.pad);
      // Outside, everything is beyond the end of a row of no elements.
      PackRow<kStep>(row, outside ? 0 : in, at, static_cast<int64_t>(col_stride), planes.width,
                     planes.width + kPlaneSlack, line + residue * planes.plane_floats);
    }
    line += col_stride * planes.plane_floats;
    if (++row_residue == row_stride) {
      row_residue = 0;
      line += planes.width - row_stride * col_stride * planes.plane_floats;
    }
  }
}

// The same for planes of stride 1 no wider than a vector: one load and one store a row.
inline void FillNarrowPlane(const ConvShape& shape, const InputMap& x, const float* channel,
                            uint64_t first, const DepthwisePlanes& planes, float* to) {
  const F32Tag d;
  const uint64_t pad = shape.cols.pad, in = shape.cols.in;
  const auto inside = hn::AndNot(hn::FirstN(d, std::min<size_t>(pad, kLanes)),
                                 hn::FirstN(d, std::min<size_t>(pad + in, kLanes)));
  int64_t y = static_cast<int64_t>(first) - static_cast<int64_t>(shape.rows.pad);
  const auto rows = static_cast<int64_t>(shape.rows.in);
  const float* row = channel + (y - static_cast<int64_t>(x.first_row)) * static_cast<int64_t>(in) -
                     static_cast<int64_t>(pad);
  for (uint64_t i = 0; i < planes.in_rows; ++i, ++y, row += in, to += planes.width) {
    const bool outside = y < 0 || y >= rows;
    hn::StoreU(outside ? hn::Zero(d) : hn::MaskedLoad(inside, d, row), d, to);
  }
}

// The taps of one channel: where they are from an output's place on, and their weights.
struct DepthwiseTaps {
  const uint32_t* offset;
  const float* weight;
  size_t count;
  float bias;
};

// Outputs of `rows` rows of `cols`, which follow each other; output (r, c) has its place at
// planes[r * width + c]. Some vectors at a time, of one row or several, so that their chains of
// multiply-adds run side by side.
template <size_t kTaps>  // 0: any
HWY_NOINLINE void SumTaps(const float* planes, size_t width, size_t rows, size_t cols,
                          const DepthwiseTaps& taps, float* out) {
  constexpr size_t kVectors = 4;
  const F32Tag d;
  const size_t count = kTaps == 0 ? taps.count : kTaps;
  const float* from[kVectors];
  float* to[kVectors];
  size_t size[kVectors];
  for (size_t row = 0, col = 0; row < rows;) {
    for (size_t v = 0; v < kVectors; ++v) {  // behind the end, the last one again
      from[v] = row < rows ? planes + row * width + col : from[v - 1];
      to[v] = row < rows ? out + row * cols + col : to[v - 1];
      size[v] = row < rows ? std::min(kLanes, cols - col) : size[v - 1];
      col += kLanes;
      if (col < cols) continue;
      col = 0;
      ++row;
    }
    VF32 sums[kVectors];
    for (auto& sum : sums) sum = hn::Zero(d);
#pragma GCC unroll 9
    for (size_t t = 0; t < count; ++t) {
      const VF32 factor = hn::Set(d, taps.weight[t]);
      for (size_t v = 0; v < kVectors; ++v) {
        sums[v] = hn::MulAdd(factor, hn::LoadU(d, from[v] + taps.offset[t]), sums[v]);
      }
    }
    const VF32 bias = hn::Set(d, taps.bias);
    for (size_t v = 0; v < kVectors; ++v) StoreFirst(hn::Add(sums[v], bias), size[v], to[v]);
  }
}

// The same for three by three taps side by side: four rows at a time share the loads of six, each
// row's taps still in their order. rows >= 4.
HWY_NOINLINE void SumSquares(const float* planes, size_t width, size_t rows, size_t cols,
                             const DepthwiseTaps& taps, float* out) {
  constexpr size_t kRowsAtOnce = 4, kSide = 3;
  const F32Tag d;
  const VF32 bias = hn::Set(d, taps.bias);
  VF32 weight[kSide * kSide];
  for (size_t t = 0; t < kSide * kSide; ++t) weight[t] = hn::Set(d, taps.weight[t]);
  for (size_t next = 0; next < rows; next += kRowsAtOnce) {
    const size_t row = std::min(next, rows - kRowsAtOnce);  // some rows of the end twice
    for (size_t col = 0; col < cols; col += kLanes) {
      const float* from = planes + row * width + col;
      VF32 sums[kRowsAtOnce];
      for (auto& sum : sums) sum = hn::Zero(d);
#pragma GCC unroll 6
      for (size_t i = 0; i < kRowsAtOnce + kSide - 1; ++i) {
#pragma GCC unroll 3
        for (size_t kx = 0; kx < kSide; ++kx) {
          VF32 x = hn::LoadU(d, from + i * width + kx);
          KeepInRegister(x);
#pragma GCC unroll 4
          for (size_t r = 0; r < kRowsAtOnce; ++r) {
            if (i < r || i - r >= kSide) continue;
            sums[r] = hn::MulAdd(weight[(i - r) * kSide + kx], x, sums[r]);
          }
        }
      }
#pragma GCC unroll 4
      for (size_t r = 0; r < kRowsAtOnce; ++r) {
        StoreFirst(hn::Add(sums[r], bias), std::min(kLanes, cols - col),
                   out + (row + r) * cols + col);
      }
    }
  }
}

// Output rows [first, first + planes.out_rows) of some channels.
struct DepthwiseBlock {
  const ConvShape& shape;
  uint64_t first;
  DepthwisePlanes planes;
  uint32_t offset[kMostDepthwiseTaps];

  DepthwiseBlock(const ConvShape& s, uint64_t first_row, uint64_t rows)
      : shape(s), first(first_row), planes(s, rows) {
    for (uint64_t t = 0; t < Taps(); ++t) offset[t] = planes.OffsetOf(s, t);
  }
  uint64_t Taps() const { return shape.rows.size * shape.cols.size; }
};

inline void FillChannel(const DepthwiseBlock& block, const InputMap& x, const float* channel,
                        float* planes) {
  const uint64_t stride = block.shape.cols.stride;
  const bool narrow =
      kMasks && stride == 1 && block.shape.rows.stride == 1 && block.planes.width <= kLanes;
  const auto fill = narrow                                    ? FillNarrowPlane
                    : stride == 1                             ? FillPlanes<1>
                    : stride == 2 && HWY_TARGET != HWY_SCALAR ? FillPlanes<2>
                                                              : FillPlanes<0>;
  fill(block.shape, x, channel, block.first, block.planes, planes);
}

inline void SumChannel(const DepthwiseBlock& block, const float* planes, const float* weight,
                       float bias, float* out) {
  const ConvShape& shape = block.shape;
  const uint64_t taps = block.Taps();
  const bool squares = shape.rows.size == 3 && shape.cols.size == 3 && block.offset[1] == 1 &&
                       block.offset[3] == block.planes.width && block.planes.out_rows >= 4;
  const auto sum = squares      ? SumSquares
                   : taps == 9  ? SumTaps<9>
                   : taps == 25 ? SumTaps<25>
                                : SumTaps<0>;
  sum(planes, block.planes.width, block.planes.out_rows, shape.cols.out,
      {block.offset, weight, taps, bias}, out);
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
