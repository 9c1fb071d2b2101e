// Convolutions of one input channel per output channel: too few taps for tiles to pay. A channel's
// input is laid out once, in planes, so that every tap of neighbouring outputs is one load at a
// constant distance.

#if defined(TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#undef TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#else
#define TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
#endif

#include "kernel/conv_planes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Rows of outputs of a channel: output (r, c) has its place at r * width + c of the planes.
struct DepthwiseRows {
  size_t rows, cols, width;
  size_t count;              // of vectors
  const TileVector* vector;  // of places, where these are flat
};

// The taps of one channel: where they are from an output's place on, and their weights.
struct DepthwiseTaps {
  const uint32_t* offset;
  const float* weight;
  size_t count;
  float bias;
};

// Some vectors at a time, of one row or several, so that their chains of multiply-adds run side by
// side.
template <size_t kTaps>  // 0: any
HWY_NOINLINE void SumTaps(const float* planes, const DepthwiseRows& shape,
                          const DepthwiseTaps& taps, float* out) {
  constexpr size_t kVectors = 4;
  const F32Tag d;
  const size_t count = kTaps == 0 ? taps.count : kTaps;
  const size_t rows = shape.rows, cols = shape.cols;
  const float* from[kVectors];
  float* to[kVectors];
  size_t size[kVectors];
  for (size_t row = 0, col = 0; row < rows;) {
    for (size_t v = 0; v < kVectors; ++v) {  // behind the end, the last one again
      from[v] = row < rows ? planes + row * shape.width + col : from[v - 1];
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

// The same for narrow rows: vectors of places, whatever rows they are in, of which the outputs are
// kept.
template <size_t kTaps>  // 0: any
HWY_NOINLINE void SumFlat(const float* planes, const DepthwiseRows& shape,
                          const DepthwiseTaps& taps, float* out) {
  constexpr size_t kVectors = 4;
  const F32Tag d;
  const size_t count = kTaps == 0 ? taps.count : kTaps;
  const VF32 bias = hn::Set(d, taps.bias);
  for (size_t first = 0; first < shape.count; first += kVectors) {
    VF32 sums[kVectors];
    for (auto& sum : sums) sum = hn::Zero(d);
    const float* from = planes + first * kLanes;
#pragma GCC unroll 9
    for (size_t t = 0; t < count; ++t) {
      const VF32 factor = hn::Set(d, taps.weight[t]);
      for (size_t v = 0; v < kVectors; ++v) {
        const VF32 x = hn::LoadU(d, from + taps.offset[t] + v * kLanes);
        sums[v] = hn::MulAdd(factor, x, sums[v]);
      }
    }
    for (size_t v = 0; v < kVectors && first + v < shape.count; ++v) {
      const TileVector& vector = shape.vector[first + v];
      if (vector.count == 0) continue;
      const auto outputs = hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&vector.outputs));
      StoreFirst(hn::Compress(hn::Add(sums[v], bias), outputs), vector.count, out + vector.at);
    }
  }
}

// Three by three taps side by side: four rows at a time share the loads of six, each row's taps
// still in their order. rows >= 4. Narrow rows waste less of shorter vectors.
template <class D>
HWY_NOINLINE void SumSquares(const float* planes, const DepthwiseRows& shape,
                             const DepthwiseTaps& taps, float* out) {
  constexpr size_t kRowsAtOnce = 4, kSide = 3;
  const D d;
  using V = hn::Vec<D>;
  constexpr size_t kLanesHere = hn::MaxLanes(D());
  const V bias = hn::Set(d, taps.bias);
  const size_t cols = shape.cols, width = shape.width;
  V weight[kSide * kSide];
  for (size_t t = 0; t < kSide * kSide; ++t) weight[t] = hn::Set(d, taps.weight[t]);
  for (size_t next = 0; next < shape.rows; next += kRowsAtOnce) {
    const size_t row = std::min(next, shape.rows - kRowsAtOnce);  // some rows of the end twice
    for (size_t col = 0; col < cols; col += kLanesHere) {
      const float* from = planes + row * width + col;
      V sums[kRowsAtOnce];
      for (auto& sum : sums) sum = hn::Zero(d);
#pragma GCC unroll 6
      for (size_t i = 0; i < kRowsAtOnce + kSide - 1; ++i) {
#pragma GCC unroll 3
        for (size_t kx = 0; kx < kSide; ++kx) {
          V x = hn::LoadU(d, from + i * width + kx);
          KeepInRegister(x);
#pragma GCC unroll 4
          for (size_t r = 0; r < kRowsAtOnce; ++r) {
            if (i < r || i - r >= kSide) continue;
            sums[r] = hn::MulAdd(weight[(i - r) * kSide + kx], x, sums[r]);
          }
        }
      }
      const size_t count = std::min(kLanesHere, cols - col);
#pragma GCC unroll 4
      for (size_t r = 0; r < kRowsAtOnce; ++r) {
        float* to = out + (row + r) * cols + col;
        if constexpr (kMasks) {
          hn::BlendedStore(hn::Add(sums[r], bias), hn::FirstN(d, count), d, to);
        } else {
          StoreFirst(hn::Add(sums[r], bias), count, to);
        }
      }
    }
  }
}

constexpr size_t kMostFlatVectors = 256;

using SumFunction = void (*)(const float*, const DepthwiseRows&, const DepthwiseTaps&, float*);

inline SumFunction SumFor(const DepthwiseRows& shape, const AxisPass& rows, const AxisPass& cols,
                          const ConvPlanes& planes) {
  const uint64_t taps = rows.taps * cols.taps;
  const bool together = planes.Planes() == 1 && rows.tap_in == 1 && cols.tap_in == 1;
  // A vector of places keeps more of its lanes than one of a row that is hardly wider.
  const bool flat =
      shape.cols % kLanes != 0 && shape.cols < 3 * kLanes && shape.count <= kMostFlatVectors;
  const bool squares = rows.taps == 3 && cols.taps == 3 && together && shape.rows >= 4;
  if (squares) return shape.cols <= 8 ? SumSquares<hn::CappedTag<float, 8>> : SumSquares<F32Tag>;
  if (flat) return taps == 9 ? SumFlat<9> : taps == 25 ? SumFlat<25> : SumFlat<0>;
  return taps == 9 ? SumTaps<9> : taps == 25 ? SumTaps<25> : SumTaps<0>;
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_DEPTHWISE_INL_H_
