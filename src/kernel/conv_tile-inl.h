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

// Registers hold a tile's sums, a vector of each of its columns and a factor: rows of a tile with
// one vector of pixels, two, ... Three are best; four are better than one alone.
constexpr bool kFewRegisters = HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3;
constexpr size_t kTileVectors = 4;
constexpr int kTileRows[kTileVectors] = {kFewRegisters ? 8 : 16, kFewRegisters ? 6 : 12,
                                         kFewRegisters ? 4 : 8, kFewRegisters ? 2 : 6};
constexpr size_t kMostTileFloats = 24 * kLanes;

// Vectors of the next tile where `left` are left.
constexpr size_t NextTileVectors(size_t left) {
  if (left % 3 == 0 || left == 5) return 3;
  if (left < 4) return left;
  return kFewRegisters ? left == 4 ? 2 : 3 : 4;
}

// Where a vector of a tile goes: the pixels that are outputs, side by side, `at` floats from the
// tile's first output on.
struct TileVector {
  uint64_t outputs;  // bit i: pixel i is one
  size_t count;      // of them
  size_t at;
};

// Where a tile's sums go.
struct TileEnd {
  float* out;
  size_t out_stride;  // from one row to the next
  const TileVector* vectors;
  bool whole;         // every pixel is an output, and they follow each other
  bool add;           // to what the outputs hold, or in its place
  const float* bias;  // one per row, added last, or null
};

// Loops over a tile are unrolled by force: a sum stays in its register only where its index is
// known.
template <int kRows, int kVectors>
HWY_INLINE void EndWholeTile(const VF32 (&sums)[kRows][kVectors], const TileEnd& end,
                             const float* bias) {
  const F32Tag d;
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
    const VF32 last = hn::Set(d, bias[m]);
    float* to = end.out + m * end.out_stride;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      VF32 sum = sums[m][v];
      if (end.add) sum = hn::Add(hn::LoadU(d, to + v * kLanes), sum);
      hn::StoreU(hn::Add(sum, last), d, to + v * kLanes);
    }
  }
}

template <int kRows, int kVectors>
HWY_INLINE void EndCutTile(const VF32 (&sums)[kRows][kVectors], const TileEnd& end,
                           const float* bias) {
  const F32Tag d;
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    const TileVector& vector = end.vectors[v];
    if (vector.count == 0) continue;
    const auto outputs = hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&vector.outputs));
    const auto first = hn::FirstN(d, vector.count);
    const auto before = hn::FirstN(d, end.add ? vector.count : 0);
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      float* to = end.out + m * end.out_stride + vector.at;
      const VF32 last = hn::Set(d, bias[m]);
      const VF32 sum = hn::Compress(sums[m][v], outputs);
      if constexpr (kMasks) {
        hn::BlendedStore(hn::Add(hn::Add(hn::MaskedLoad(before, d, to), sum), last), first, d, to);
      } else {
        const VF32 old = end.add ? LoadFirst(to, vector.count) : hn::Zero(d);
        StoreFirst(hn::Add(hn::Add(old, sum), last), vector.count, to);
      }
    }
  }
}

// Output (m, i) gets the sum over k < depth of a[m * a_stride + k] * b[offset[k] + i], for kRows
// rows and the pixels i of kVectors vectors, each at end.vectors.
template <int kRows, int kVectors>
HWY_NOINLINE void ConvTile(const float* a, size_t a_stride, const float* b, const uint32_t* offset,
                           size_t depth, const TileEnd& end) {
  const F32Tag d;
  if (end.add) {  // wanted at the end, often far away by then
    for (int m = 0; m < kRows; ++m) {
      const float* out = end.out + m * end.out_stride + end.vectors[0].at;
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(out + v * kLanes, 1);
    }
  }
  VF32 sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int m = 0; m < kRows; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[m][v] = hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k) {
    const float* from = b + offset[k];
    VF32 column[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      column[v] = hn::LoadU(d, from + v * kLanes);
      KeepInRegister(column[v]);
    }
#pragma GCC unroll 16
    for (int m = 0; m < kRows; ++m) {
      const VF32 factor = hn::Set(d, a[m * a_stride + k]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[m][v] = hn::MulAdd(factor, column[v], sums[m][v]);
    }
  }
  static constexpr float kNoBias[kRows] = {};
  const float* bias = end.bias == nullptr ? kNoBias : end.bias;
  if (end.whole) {
    EndWholeTile(sums, end, bias);
  } else {
    EndCutTile(sums, end, bias);
  }
}

using ConvTileFunction = void (*)(const float*, size_t, const float*, const uint32_t*, size_t,
                                  const TileEnd&);

// The function for `vectors` <= kTileVectors and the most rows up to `rows`; sets `rows` to these.
inline ConvTileFunction ConvTileFor(size_t vectors, size_t& rows) {
  constexpr int kFour = kFewRegisters ? 2 : 4, kEight = kFewRegisters ? 4 : 8;
  static constexpr ConvTileFunction kTiles[][kTileVectors] = {
      {ConvTile<1, 1>, ConvTile<1, 2>, ConvTile<1, 3>, ConvTile<1, 4>},
      {ConvTile<2, 1>, ConvTile<2, 2>, ConvTile<2, 3>, ConvTile<2, 4>},
      {ConvTile<4, 1>, ConvTile<4, 2>, ConvTile<4, 3>, ConvTile<kFour, 4>},
      {ConvTile<kEight, 1>, ConvTile<kEight, 2>, ConvTile<4, 3>, ConvTile<kFour, 4>},
      {ConvTile<kTileRows[0], 1>, ConvTile<kTileRows[1], 2>, ConvTile<kTileRows[2], 3>,
       ConvTile<kTileRows[3], 4>},
  };
  const auto most = static_cast<size_t>(kTileRows[vectors - 1]);
  const size_t kind = rows >= most ? 4 : rows >= 8 ? 3 : rows >= 4 ? 2 : rows >= 2 ? 1 : 0;
  rows = kind == 4 ? most : size_t{1} << kind;
  return kTiles[kind][vectors - 1];
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_CONV_TILE_INL_H_
