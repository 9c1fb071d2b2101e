// The innermost loops of a convolution: a few output channels times some vectors of pixels.

#if defined(TINYAI_KERNEL_CONV_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_CONV_TILE_INL_H_
#undef TINYAI_KERNEL_CONV_TILE_INL_H_
#else
#define TINYAI_KERNEL_CONV_TILE_INL_H_
#endif

#include "kernel/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Registers hold a tile of kTileRows x kTileVectors sums, a vector of each column and a factor.
constexpr size_t kTileRows = HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3 ? 4 : 8;
constexpr size_t kTileVectors = 3;
// Taps whose products are summed in one chain before the sum is added to the output.
constexpr size_t kConvChunk = 128;

// What happens to a tile's sums.
struct TileEnd {
  bool add;           // to what the output holds, or in its place
  const float* bias;  // one per row, added last, or null
};

// Loops over a tile are unrolled by force: a sum stays in its register only where its index is
// known.
template <int kRows, int kVectors, bool kWhole>
HWY_INLINE void EndTile(const VF32 (&sums)[kRows][kVectors], size_t count, const TileEnd& end,
                        float* out, size_t out_stride) {
  const F32Tag d;
#pragma GCC unroll 8
  for (int m = 0; m < kRows; ++m) {
    const VF32 bias = hn::Set(d, end.bias == nullptr ? 0.0f : end.bias[m]);
#pragma GCC unroll 3
    for (int v = 0; v < kVectors; ++v) {
      float* to = out + m * out_stride + v * kLanes;
      const size_t some = kWhole || v + 1 < kVectors ? kLanes : count - v * kLanes;
      VF32 sum = sums[m][v];
      if (end.add) sum = hn::Add(LoadFirst(to, some), sum);
      if (end.bias != nullptr) sum = hn::Add(sum, bias);
      StoreFirst(sum, some, to);
    }
  }
}

// out[m * out_stride + i] = sum over k < depth of a[m * a_stride + k] * b[k * kVectors * kLanes +
// i], for kRows rows and `count` pixels, of which only the last vector may be cut.
template <int kRows, int kVectors>
HWY_NOINLINE void ConvTile(const float* a, size_t a_stride, const float* b, size_t depth,
                           size_t count, const TileEnd& end, float* out, size_t out_stride) {
  const F32Tag d;
  for (int m = 0; m < kRows; ++m) {  // wanted at the end, often far away by then
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(out + m * out_stride + v * kLanes, 1);
  }
  VF32 sums[kRows][kVectors];
  for (int m = 0; m < kRows; ++m) {
    for (int v = 0; v < kVectors; ++v) sums[m][v] = hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k) {
    VF32 column[kVectors];
    for (int v = 0; v < kVectors; ++v) column[v] = hn::Load(d, b + v * kLanes);
    b += kVectors * kLanes;
    for (int m = 0; m < kRows; ++m) {
      const VF32 factor = hn::Set(d, a[m * a_stride + k]);
      for (int v = 0; v < kVectors; ++v) sums[m][v] = hn::MulAdd(factor, column[v], sums[m][v]);
    }
  }
  if (count == kVectors * kLanes) {
    EndTile<kRows, kVectors, true>(sums, count, end, out, out_stride);
  } else {
    EndTile<kRows, kVectors, false>(sums, count, end, out, out_stride);
  }
}

using ConvTileFunction = void (*)(const float*, size_t, const float*, size_t, size_t,
                                  const TileEnd&, float*, size_t);

// The function for `vectors` <= kTileVectors and the most rows up to `rows`; sets `rows` to these.
inline ConvTileFunction ConvTileFor(size_t vectors, size_t& rows) {
  static constexpr ConvTileFunction kTiles[][kTileVectors] = {
      {ConvTile<1, 1>, ConvTile<1, 2>, ConvTile<1, 3>},
      {ConvTile<2, 1>, ConvTile<2, 2>, ConvTile<2, 3>},
      {ConvTile<4, 1>, ConvTile<4, 2>, ConvTile<4, 3>},
      {ConvTile<kTileRows, 1>, ConvTile<kTileRows, 2>, ConvTile<kTileRows, 3>},
  };
  const size_t kind = rows >= kTileRows ? 3 : rows >= 4 ? 2 : rows >= 2 ? 1 : 0;
  rows = kind == 3 ? kTileRows : size_t{1} << kind;
  return kTiles[kind][vectors - 1];
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_TILE_INL_H_
