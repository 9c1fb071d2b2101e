#include "kernel/matmul.h"

#include "base/checked.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/matmul_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/float_panel-inl.h"
#include "kernel/one_token-inl.h"
#include "kernel/sparse_lanes-inl.h"

// out[t][r] is the sum over chunks of 256 columns, in their order, and in each over the columns'
// residues modulo the lanes of a vector, of the products of such columns: one multiply-add per
// column from zero on. So products with one token, which have a lane for every residue, and with
// many, which have a lane for every row, agree. Short chains instead of one of thousands of terms
// keep the rounding error near that of a dozen additions.

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

// Panels side by side: kPanels * kRows rows of weights.
constexpr size_t kMostPanels = 2;
constexpr size_t kSums = kMostPanels * kRows;  // of a token
constexpr size_t kPanelFloats = sizeof(FloatPanel) / sizeof(float);
// Tokens multiplied with a panel while it is warm; bounds the sums kept on the stack.
constexpr size_t kTokensAtOnce = 128;
// Tokens whose sums fit in registers beside kMostPanels vectors of weights.
constexpr size_t kMostTokens = HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3 ? 4 : 8;

// sums[t][p] += `columns` <= kChunkColumns columns of panel p, kPanelFloats behind the one before,
// times x, x_stride floats from one token to the next.
template <size_t kTokens, size_t kPanels, bool kWhole>
HWY_INLINE void MultiplyResidues(const float* panels, size_t columns, const float* x,
                                 size_t x_stride, float* sums) {
  const F32Tag df;
  for (size_t first = 0; first < std::min(kLanes, columns); ++first) {
    VF32 run[kTokens][kPanels];
#pragma GCC unroll 8
    for (size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
      for (size_t p = 0; p < kPanels; ++p) run[t][p] = hn::Zero(df);
    }
    const auto step = [&](size_t i) HWY_ATTR {
      const size_t c = first + i * kLanes, at = FloatPanel::At(first) + i * kRows;
      VF32 w[kPanels];
#pragma GCC unroll 2
      for (size_t p = 0; p < kPanels; ++p) w[p] = hn::Load(df, panels + p * kPanelFloats + at);
#pragma GCC unroll 8
      for (size_t t = 0; t < kTokens; ++t) {
        const VF32 factor = hn::Set(df, x[t * x_stride + c]);
#pragma GCC unroll 2
        for (size_t p = 0; p < kPanels; ++p) run[t][p] = hn::MulAdd(w[p], factor, run[t][p]);
      }
    };
    if constexpr (kWhole) {
#pragma GCC unroll 4
      for (size_t i = 0; i < kChunkColumns / kLanes; ++i) step(i);
    } else {
      for (size_t i = 0; first + i * kLanes < columns; ++i) step(i);
    }
#pragma GCC unroll 8
    for (size_t t = 0; t < kTokens; ++t) {
#pragma GCC unroll 2
      for (size_t p = 0; p < kPanels; ++p) {
        float* sum = sums + t * kSums + p * kRows;
        hn::Store(hn::Add(hn::Load(df, sum), run[t][p]), df, sum);
      }
    }
  }
}
template <size_t kTokens, size_t kPanels>
HWY_NOINLINE void MultiplyPanels(const float* panels, size_t columns, const float* x,
                                 size_t x_stride, float* sums) {
  // A known number of steps leaves no branch to be guessed wrongly at the end of each short run.
  if (columns == kChunkColumns) {
    MultiplyResidues<kTokens, kPanels, true>(panels, columns, x, x_stride, sums);
  } else {
    MultiplyResidues<kTokens, kPanels, false>(panels, columns, x, x_stride, sums);
  }
}

// The same for one token: four residues at a time, whose chains then run side by side.
template <size_t kPanels>
HWY_NOINLINE void MultiplyOneToken(const float* panels, size_t columns, const float* x,
                                   float* sums) {
  constexpr size_t kRuns = kLanes < 4 ? kLanes : 4;
  if (columns % kLanes != 0) return MultiplyPanels<1, kPanels>(panels, columns, x, 0, sums);
  const F32Tag df;
  for (size_t first = 0; first < kLanes; first += kRuns) {
    VF32 run[kRuns][kPanels];
    for (auto& r : run) {
      for (size_t p = 0; p < kPanels; ++p) r[p] = hn::Zero(df);
    }
    const float* w = panels + FloatPanel::At(first);
    for (size_t c = first; c < columns; c += kLanes, w += kRows) {
      for (size_t r = 0; r < kRuns; ++r) {
        const VF32 factor = hn::Set(df, x[c + r]);
        for (size_t p = 0; p < kPanels; ++p) {
          const float* column = w + p * kPanelFloats + r * FloatPanel::kRun * kRows;
          run[r][p] = hn::MulAdd(hn::Load(df, column), factor, run[r][p]);
        }
      }
    }
    for (size_t p = 0; p < kPanels; ++p) {
      VF32 sum = hn::Load(df, sums + p * kRows);
      for (size_t r = 0; r < kRuns; ++r) sum = hn::Add(sum, run[r][p]);
      hn::Store(sum, df, sums + p * kRows);
    }
  }
}

// All tokens of a tile, and reads ahead by `blocks` x 32 columns between them.
template <size_t kPanels>
void MultiplyTokens(const float* panels, size_t columns, const float* x, size_t x_stride,
                    size_t tokens, NextTile& next, size_t blocks, float* sums) {
  size_t t = 0;
  const auto multiply = [&](auto multiply_some, size_t some) {
    for (; t + some <= tokens; t += some) {
      multiply_some(panels, columns, x + t * x_stride, x_stride, sums + t * kSums);
      if (blocks == 0) continue;
      next.Prefetch(1);
      --blocks;
    }
  };
  multiply(MultiplyPanels<kMostTokens, kPanels>, kMostTokens);
  multiply(MultiplyPanels<4, kPanels>, 4);
  multiply(MultiplyPanels<2, kPanels>, 2);
  if (t < tokens) MultiplyOneToken<kPanels>(panels, columns, x + t * x_stride, sums + t * kSums);
  next.Prefetch(blocks);
}

// A tile of rows of weights.
struct TileWeights {
  DType type;
  Source source;
  size_t rows, cols;  // at most kMostPanels * kRows rows

  Source From(size_t row, size_t col) const {
    const uint8_t* data = source.data + row * source.stride;
    if (source.sparse_cols != 0) return {data, source.stride, source.sparse_cols};
    return {data + RowBytes(type, col), source.stride};
  }
};

#if TINYAI_SPARSE_LANES
template <class Reader>
void ExpandRows(Source from, size_t rows, size_t col, size_t columns, float* to) {
  const F32Tag d;
  for (size_t r = 0; r < rows; ++r, to += kChunkColumns) {
    SparseRow<Reader> row(from.data + r * from.stride, from.stride, col);
    for (size_t c = 0; c < columns; c += 2 * kLanes) {
      row.Prefetch(rows * from.stride);
      const auto group = row.Next();
      hn::Store(group.low, d, to + c);
      hn::Store(group.high, d, to + c + kLanes);
    }
  }
  std::fill_n(to, (kRows - rows) * kChunkColumns, 0.0f);
}
#endif

// Columns [col, col + columns) of `rows` sparse rows as floats, and zeros for the rest of kRows;
// false if that is not done in registers.
bool ExpandTile([[maybe_unused]] DType type, [[maybe_unused]] Source from,
                [[maybe_unused]] size_t rows, [[maybe_unused]] size_t col,
                [[maybe_unused]] size_t columns, [[maybe_unused]] uint8_t* buffer) {
#if TINYAI_SPARSE_LANES
  auto* const to = reinterpret_cast<float*>(buffer);
  const auto expand = type == DType::kF32    ? ExpandRows<ReadF32>
                      : type == DType::kF16  ? ExpandRows<ReadF16>
                      : type == DType::kBF16 ? ExpandRows<ReadBF16>
                                             : nullptr;
  if (expand != nullptr) expand(from, rows, col, columns, to);
  return expand != nullptr;
#else
  return false;
#endif
}

// Columns [col, col + columns) of up to kRows rows from `row` on.
void DecodePanel(DecodeFunction decode, const TileWeights& tile, size_t row, size_t col,
                 size_t columns, FloatPanel& panel) {
  const size_t rows = std::min(tile.rows - row, kRows);
  const Source from = tile.From(row, col);
  if (from.sparse_cols == 0) return decode(from, rows, columns, panel);
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  if (ExpandTile(tile.type, from, rows, col, columns, buffer)) {
    return DecodeFloats<DecodeF32>({buffer, kChunkBytes}, kRows, RoundUp(columns, 4), panel);
  }
  decode(UnpackTile(tile.type, from, rows, col, buffer), kRows, columns, panel);
}

// A tile times at most kTokensAtOnce tokens.
void MultiplyTile(DecodeFunction decode, const TileWeights& tile, NextTile next, const float* x,
                  size_t x_stride, size_t tokens, float* sums) {
  FloatPanel panels[kMostPanels];
  for (size_t col = 0; col < tile.cols; col += kChunkColumns) {
    const size_t columns = std::min(kChunkColumns, tile.cols - col);
    DecodePanel(decode, tile, 0, col, columns, panels[0]);
    if (tile.rows > kRows) {
      DecodePanel(decode, tile, kRows, col, columns, panels[1]);
    }
    const auto multiply = tile.rows > kRows ? MultiplyTokens<2> : MultiplyTokens<1>;
    multiply(panels[0].value, columns, x + col, x_stride, tokens, next, (columns + 31) / 32, sums);
  }
}

// A tile of floats times one token.
void MultiplyFloats(MultiplyChunksFunction multiply, const TileWeights& tile, const float* x,
                    float* sums) {
  constexpr size_t kAtOnce = kRunChunks * kChunkColumns;
  for (size_t row = 0; row < tile.rows; row += kRows) {
    const Source& all = tile.source;
    const Source from = {all.data + row * all.stride, all.stride, all.sparse_cols};
    for (size_t col = 0; col < tile.cols; col += kAtOnce) {
      multiply(from, std::min(tile.rows - row, kRows), col, std::min(kAtOnce, tile.cols - col),
               x + col, sums + row);
    }
  }
}

}  // namespace

void MatMulF32Simd(const WeightRows& weights, const float* x, size_t x_stride, size_t tokens,
                   const Tiling& tiling, float* out, size_t out_stride) {
  const DecodeFunction decode = DecoderOf(weights.type);
  const MultiplyChunksFunction multiply =
      MultiplyChunksOf(weights.type, weights.sparse_row_bytes != 0);
  const uint8_t* end = SourceOf(weights, weights.rows).data;
  alignas(64) float sums[kTokensAtOnce * kSums];
  const auto multiply_block = [&](size_t first, size_t count, size_t t, size_t some) HWY_ATTR {
    for (size_t r = first; r < first + count; r += kSums) {
      const size_t rows = std::min<size_t>(kSums, first + count - r);
      const TileWeights tile{weights.type, SourceOf(weights, r), rows, weights.cols};
      const NextTile next(tile.source, rows, end, weights.cols, tiling);
      std::memset(sums, 0, some * kSums * sizeof(float));
      if (tokens == 1 && multiply != nullptr) {
        MultiplyFloats(multiply, tile, x, sums);
      } else {
        MultiplyTile(decode, tile, next, x + t * x_stride, x_stride, some, sums);
      }
      StoreSums(sums, kSums, rows, some, out + t * out_stride + r, out_stride);
    }
  };
  ForBlocks(weights.rows, kSums, tokens, kTokensAtOnce, tiling, multiply_block);
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(MatMulF32Simd);

void MatMulF32(const WeightRows& weights, const float* x, uint64_t x_stride, uint64_t tokens,
               float* out, uint64_t out_stride, const Tiling& tiling) {
  HWY_DYNAMIC_DISPATCH(MatMulF32Simd)(weights, x, x_stride, tokens, tiling, out, out_stride);
}

}  // namespace tinyai
#endif
