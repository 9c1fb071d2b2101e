#include "kernel/matmul.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/matmul_q8.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/group-inl.h"
#include "kernel/panel-inl.h"
#include "kernel/panel_k-inl.h"
#include "kernel/tile-inl.h"
#include "kernel/tokens-inl.h"

// out[t][r] is the sum over blocks, in their order, of (integer product) * (weight scale *
// activation scale), one multiply-add each, and for types with an addend one more after each block.
// Every path below does just this, so tiles and tails cannot be told apart in the result.

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

// Tokens multiplied at once, so that all sums stay in registers.
constexpr int kTokensAtOnce = HWY_TARGET <= HWY_AVX3 ? 4 : 2;

template <class Decoder>
constexpr bool kIsSmall = std::is_base_of_v<SmallBlocks<Decoder>, Decoder>;

// Adds dwords [first, last) of panel block `b` times those of x's block `block`, scaled, to sums.
template <Form form, int kPanels, int kTokens>
HWY_INLINE void AddPart(const Panel* panels, size_t b, const Tokens& x, size_t block, size_t half,
                        VF32 (&sums)[kTokens][kPanels]) {
  const I32Tag di;
  const F32Tag df;
  constexpr size_t kDwords = form.half_scales ? 4 : 8;
  VI32 dots[kTokens][kPanels];
  for (int t = 0; t < kTokens; ++t) {
    for (int p = 0; p < kPanels; ++p) dots[t][p] = StartSum<form>(x, t, block, half);
  }
  for (size_t k = half * kDwords; k < (half + 1) * kDwords; ++k) {
    VI32 codes[kPanels];
    for (int p = 0; p < kPanels; ++p) {
      codes[p] = hn::BitCast(di, hn::Load(U32Tag(), panels[p].codes + (8 * b + k) * kRows));
    }
    for (int t = 0; t < kTokens; ++t) {
      const VI32 four = hn::Set(di, x.Get<int32_t>(t, 0, 8 * block + k));
      for (int p = 0; p < kPanels; ++p) dots[t][p] = Dot<form>(dots[t][p], codes[p], four);
    }
  }
  const size_t scale_index = form.half_scales ? 2 * b + half : b;
  for (int t = 0; t < kTokens; ++t) {
    const VF32 x_scale = hn::Set(df, x.Get<float>(t, x.layout.scale, block));
    for (int p = 0; p < kPanels; ++p) {
      const VF32 scale = hn::Mul(hn::Load(df, panels[p].scale + scale_index * kRows), x_scale);
      sums[t][p] = hn::MulAdd(hn::ConvertTo(df, dots[t][p]), scale, sums[t][p]);
    }
  }
}

// sums[t][p] += panels[p] . token t, for the panels' `blocks` blocks, x's from `first_block` on.
template <Form form, int kPanels, int kTokens>
HWY_NOINLINE void MultiplyPanels(const Panel* panels, size_t blocks, const Tokens& x,
                                 size_t first_block, float* sums_at) {
  const F32Tag df;
  VF32 sums[kTokens][kPanels];
  for (int t = 0; t < kTokens; ++t) {
    for (int p = 0; p < kPanels; ++p) {
      sums[t][p] = hn::Load(df, sums_at + (t * kPanels + p) * kRows);
    }
  }
  for (size_t b = 0; b < blocks; ++b) {
    const size_t block = first_block + b;
    AddPart<form, kPanels, kTokens>(panels, b, x, block, 0, sums);
    if constexpr (form.half_scales) {
      AddPart<form, kPanels, kTokens>(panels, b, x, block, 1, sums);
    }
    if constexpr (form.low) {
      for (int t = 0; t < kTokens; ++t) {
        const VF32 x_sum = hn::Set(df, x.Get<float>(t, x.layout.scaled_sum, block));
        for (int p = 0; p < kPanels; ++p) {
          const VF32 low = hn::Load(df, panels[p].low + b * kRows);
          sums[t][p] = hn::MulAdd(low, x_sum, sums[t][p]);
        }
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int p = 0; p < kPanels; ++p) {
      hn::Store(sums[t][p], df, sums_at + (t * kPanels + p) * kRows);
    }
  }
}

template <Form form, int kPanels>
void MultiplyTokens(const Panel* panels, size_t blocks, const Tokens& x, size_t tokens,
                    size_t first_block, float* sums) {
  size_t t = 0;
  for (; t + kTokensAtOnce <= tokens; t += kTokensAtOnce) {
    MultiplyPanels<form, kPanels, kTokensAtOnce>(panels, blocks, x.From(t), first_block,
                                                 sums + t * kPanels * kRows);
  }
  for (; t < tokens; ++t) {
    MultiplyPanels<form, kPanels, 1>(panels, blocks, x.From(t), first_block,
                                     sums + t * kPanels * kRows);
  }
}

// Hands `blocks` blocks to the sink, from a type of small blocks whole groups at a time.
template <class Decoder>
HWY_INLINE void MultiplyChunk(const Source& chunk, size_t blocks, NextTile& next,
                              VectorSink<Decoder::kForm>& sink) {
  const uint8_t* p = chunk.data;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kIsSmall<Decoder>) {
    const auto* x = reinterpret_cast<const uint8_t*>(sink.x.rows) + 32 * sink.first_block;
    for (; blocks >= kGroup; blocks -= kGroup) {
      next.Prefetch(kGroup);
      const GroupProducts products = MultiplyGroup<Decoder>(p, chunk.stride, x);
      for (size_t g = 0; g < kGroup; ++g) sink.Product(g, products.dots[g], products.heads[g]);
      sink.first_block += kGroup;
      p += kGroup * Decoder::kBytes;
      x += kGroup * 32;
    }
    if (blocks == 0) return;
  }
#endif
  next.Prefetch(blocks);
  Decoder::Run(p, chunk.stride, blocks, sink);
}

// One token, kRows rows (the last ones may be missing).
template <class Decoder>
void MultiplyVector(Source weights, const uint8_t* end, size_t rows, size_t cols, const Tokens& x,
                    const Tiling& tiling, float* out) {
  NextTile next(weights, kRows, end, cols, tiling);
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  VectorSink<Decoder::kForm> sink{x, 0, hn::Zero(F32Tag())};
  for (size_t col = 0; col < cols; col += kChunkColumns) {
    const size_t columns = std::min(kChunkColumns, cols - col);
    const Source chunk = ChunkOf<Decoder>(weights, rows, kRows, col, columns, buffer);
    sink.first_block = col / 32;
    MultiplyChunk<Decoder>(chunk, columns / 32, next, sink);
  }
  alignas(64) float sums[kRows];
  hn::Store(sink.sum, F32Tag(), sums);
  StoreSums(sums, kRows, rows, 1, out, 0);
}

// One tile of kPanels * kRows rows (the last ones may be missing) and at most kTokenTile tokens.
template <class Decoder, int kPanels>
void MultiplyTile(Source weights, const uint8_t* end, size_t rows, size_t cols, const Tokens& x,
                  size_t tokens, const Tiling& tiling, float* out, size_t out_stride) {
  NextTile next(weights, kPanels * kRows, end, cols, tiling);
  alignas(64) Panel panels[kPanels];
  alignas(64) float sums[kTokenTile * kPanels * kRows];
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  std::memset(sums, 0, tokens * kPanels * kRows * sizeof(float));
  for (size_t col = 0; col < cols; col += kChunkColumns) {
    const size_t columns = std::min(kChunkColumns, cols - col);
    const Source chunk = ChunkOf<Decoder>(weights, rows, kPanels * kRows, col, columns, buffer);
    next.Prefetch(columns / 32);
    for (int p = 0; p < kPanels; ++p) {
      PanelSink sink{panels[p]};
      Decoder::Run(chunk.data + p * kRows * chunk.stride, chunk.stride, columns / 32, sink);
    }
    MultiplyTokens<Decoder::kForm, kPanels>(panels, columns / 32, x, tokens, col / 32, sums);
  }
  StoreSums(sums, kPanels * kRows, rows, tokens, out, out_stride);
}

template <class Decoder>
void MultiplyAll(const WeightRows& weights, const Tokens& x, size_t tokens, const Tiling& tiling,
                 float* out, size_t out_stride) {
  const uint8_t* end = SourceOf(weights, weights.rows).data;
  if (tokens == 1) {
    for (size_t r = 0; r < weights.rows; r += kRows) {
      MultiplyVector<Decoder>(SourceOf(weights, r), end, std::min(kRows, weights.rows - r),
                              weights.cols, x, tiling, out + r);
    }
    return;
  }
  const bool in_pairs = weights.sparse_row_bytes == 0;
  const auto multiply = [&](size_t r, size_t rows, size_t t, size_t some) HWY_ATTR {
    float* to = out + t * out_stride;
    const size_t row_end = r + rows;
    for (; in_pairs && r + 2 * kRows <= row_end; r += 2 * kRows) {
      MultiplyTile<Decoder, 2>(SourceOf(weights, r), end, 2 * kRows, weights.cols, x.From(t), some,
                               tiling, to + r, out_stride);
    }
    for (; r < row_end; r += kRows) {
      MultiplyTile<Decoder, 1>(SourceOf(weights, r), end, std::min(kRows, row_end - r),
                               weights.cols, x.From(t), some, tiling, to + r, out_stride);
    }
  };
  ForBlocks(weights.rows, 2 * kRows, tokens, kTokenTile, tiling, multiply);
}

}  // namespace

void MatMulQ8Simd(const WeightRows& weights, const std::byte* x, size_t x_stride, size_t tokens,
                  const Tiling& tiling, float* out, size_t out_stride) {
  const Tokens rows = {x, x_stride, QuantizedLayout(weights.cols)};
  switch (weights.type) {
    case DType::kQ4_0:
      return MultiplyAll<DecodeQ4_0>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ4_1:
      return MultiplyAll<DecodeQ4_1>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ5_0:
      return MultiplyAll<DecodeQ5_0>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ5_1:
      return MultiplyAll<DecodeQ5_1>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ8_0:
      return MultiplyAll<DecodeQ8_0>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ4_K:
      return MultiplyAll<DecodeQ4_K>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ5_K:
      return MultiplyAll<DecodeQ5_K>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kQ6_K:
      return MultiplyAll<DecodeQ6_K>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kInt2:
      return MultiplyAll<DecodeInt2>(weights, rows, tokens, tiling, out, out_stride);
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return;  // not for this function, says the header
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(MatMulQ8Simd);

void MatMulQ8(const WeightRows& weights, const std::byte* x, uint64_t x_stride, uint64_t tokens,
              float* out, uint64_t out_stride, const Tiling& tiling) {
  HWY_DYNAMIC_DISPATCH(MatMulQ8Simd)(weights, x, x_stride, tokens, tiling, out, out_stride);
}

}  // namespace tinyai
#endif
