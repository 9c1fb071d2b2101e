#include "kernel/matmul.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/matmul_f32.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/line-inl.h"
#include "kernel/panel-inl.h"
#include "kernel/panel_k-inl.h"
#include "kernel/tile-inl.h"

// out[t][r] is the sum over runs of 32 columns, in their order, of the run's own sum: one
// multiply-add per column from zero on. Two short chains instead of one of thousands of terms keep
// the rounding error near that of a dozen additions.

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

constexpr size_t kRun = 32;

// kRows rows of up to kChunkColumns floats: column c of row r at [c * kRows + r].
struct FloatPanel {
  alignas(64) float value[kChunkColumns * kRows];
};

HWY_INLINE void StoreColumn(VF32 v, size_t column, FloatPanel& panel) {
  hn::Store(v, F32Tag(), panel.value + column * kRows);
}

// Decoders of the float types: `Decode` reads kElements columns, 16 bytes, of each row.
struct DecodeF32 {
  static constexpr DType kType = DType::kF32;
  static constexpr size_t kElements = 4;
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    StoreColumn(hn::BitCast(F32Tag(), c.v0), column, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v1), column + 1, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v2), column + 2, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v3), column + 3, panel);
  }
};
struct DecodeF16 {
  static constexpr DType kType = DType::kF16;
  static constexpr size_t kElements = 8;
  static HWY_INLINE void Pair(VU32 v, size_t column, FloatPanel& panel) {
    StoreColumn(FloatOfF16(LowHalf(v)), column, panel);
    StoreColumn(FloatOfF16(HighHalf(v)), column + 1, panel);
  }
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    Pair(c.v0, column, panel);
    Pair(c.v1, column + 2, panel);
    Pair(c.v2, column + 4, panel);
    Pair(c.v3, column + 6, panel);
  }
};
struct DecodeBF16 {
  static constexpr DType kType = DType::kBF16;
  static constexpr size_t kElements = 8;
  static HWY_INLINE void Pair(VU32 v, size_t column, FloatPanel& panel) {
    const VU32 high = hn::And(v, hn::Set(U32Tag(), 0xFFFF0000u));
    StoreColumn(hn::BitCast(F32Tag(), hn::ShiftLeft<16>(v)), column, panel);
    StoreColumn(hn::BitCast(F32Tag(), high), column + 1, panel);
  }
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    Pair(c.v0, column, panel);
    Pair(c.v1, column + 2, panel);
    Pair(c.v2, column + 4, panel);
    Pair(c.v3, column + 6, panel);
  }
};

// `rows` of `columns` columns of a float type.
template <class Decoder>
void DecodeFloats(Source chunk, size_t rows, size_t columns, FloatPanel& panel) {
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  if (rows < kRows || columns % Decoder::kElements != 0) {
    chunk = CopyTile(chunk, rows, RowBytes(Decoder::kType, columns), buffer);
  }
  for (size_t c = 0; c < columns; c += Decoder::kElements) {
    const size_t offset = c * (16 / Decoder::kElements);
    Decoder::Decode(LoadChunk(chunk.data + offset, chunk.stride), c, panel);
  }
}

// Four codes of each row to floats: scale * (code - offset) + low.
template <Form form>
HWY_INLINE void StoreFloats(VU32 codes, VF32 scale, VF32 low, size_t column, FloatPanel& panel) {
  const auto value = [&](VF32 code) HWY_ATTR {
    if constexpr (form.low) return hn::Add(hn::Mul(code, scale), low);
    return hn::Mul(hn::Sub(code, hn::Set(F32Tag(), static_cast<float>(form.offset))), scale);
  };
  if constexpr (form.signed_codes) {
    StoreColumn(value(FloatOfSignedByte<0>(codes)), column, panel);
    StoreColumn(value(FloatOfSignedByte<1>(codes)), column + 1, panel);
    StoreColumn(value(FloatOfSignedByte<2>(codes)), column + 2, panel);
    StoreColumn(value(FloatOfSignedByte<3>(codes)), column + 3, panel);
  } else {
    StoreColumn(value(FloatOfByte<0>(codes)), column, panel);
    StoreColumn(value(FloatOfByte<1>(codes)), column + 1, panel);
    StoreColumn(value(FloatOfByte<2>(codes)), column + 2, panel);
    StoreColumn(value(FloatOfByte<3>(codes)), column + 3, panel);
  }
}

// `rows` of `columns` columns of a quantised type, by way of its 8-bit codes.
template <class Decoder>
void DecodeCodes(Source chunk, size_t rows, size_t columns, FloatPanel& panel) {
  const F32Tag df;
  constexpr Form kForm = Decoder::kForm;
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  alignas(64) Panel codes;
  const DTypeInfo& info = Info(Decoder::kType);
  if (rows < kRows) chunk = CopyTile(chunk, rows, RowBytes(info, columns), buffer);
  PanelSink sink{codes};
  Decoder::Run(chunk.data, chunk.stride, columns / 32, sink);
  for (size_t dword = 0; dword < columns / 4; ++dword) {
    const size_t scale_index = kForm.half_scales ? dword / 4 : dword / 8;
    const VF32 scale = hn::Load(df, codes.scale + scale_index * kRows);
    const VF32 low = kForm.low ? hn::Load(df, codes.low + dword / 8 * kRows) : hn::Zero(df);
    const VU32 four = hn::Load(U32Tag(), codes.codes + dword * kRows);
    StoreFloats<kForm>(four, scale, low, 4 * dword, panel);
  }
}

// Panels side by side: kPanels * kRows rows of weights.
constexpr size_t kMostPanels = 2;
// Tokens whose sums fit in registers beside kMostPanels vectors of weights.
constexpr size_t kMostTokens = HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3 ? 4 : 8;

// One run of columns [begin, end) times kTokens tokens.
template <size_t kTokens, size_t kPanels>
HWY_INLINE void MultiplyRun(const FloatPanel* panels, size_t begin, size_t end, const float* x,
                            size_t x_stride, VF32 (&run)[kTokens][kPanels]) {
  const F32Tag df;
  for (size_t t = 0; t < kTokens; ++t) {
    for (size_t p = 0; p < kPanels; ++p) run[t][p] = hn::Zero(df);
  }
  for (size_t c = begin; c < end; ++c) {
    VF32 w[kPanels];
    for (size_t p = 0; p < kPanels; ++p) w[p] = hn::Load(df, panels[p].value + c * kRows);
    for (size_t t = 0; t < kTokens; ++t) {
      const VF32 factor = hn::Set(df, x[t * x_stride + c]);
      for (size_t p = 0; p < kPanels; ++p) run[t][p] = hn::MulAdd(w[p], factor, run[t][p]);
    }
  }
}

// sums[t][p] += panel p's `columns` columns times x, x_stride floats from one token to the next.
template <size_t kTokens, size_t kPanels>
HWY_NOINLINE void MultiplyPanels(const FloatPanel* panels, size_t columns, const float* x,
                                 size_t x_stride, float* sums) {
  const F32Tag df;
  for (size_t begin = 0; begin < columns; begin += kRun) {
    VF32 run[kTokens][kPanels];
    MultiplyRun(panels, begin, std::min(begin + kRun, columns), x, x_stride, run);
    for (size_t t = 0; t < kTokens; ++t) {
      for (size_t p = 0; p < kPanels; ++p) {
        float* sum = sums + (t * kMostPanels + p) * kRows;
        hn::Store(hn::Add(hn::Load(df, sum), run[t][p]), df, sum);
      }
    }
  }
}

// The same for one token: four runs at a time, whose chains then run side by side.
template <size_t kPanels>
HWY_NOINLINE void MultiplyOneToken(const FloatPanel* panels, size_t columns, const float* x,
                                   float* sums) {
  constexpr size_t kRuns = 4;
  const F32Tag df;
  size_t begin = 0;
  for (; begin + kRuns * kRun <= columns; begin += kRuns * kRun) {
    VF32 run[kRuns][kPanels];
    for (auto& r : run) {
      for (size_t p = 0; p < kPanels; ++p) r[p] = hn::Zero(df);
    }
    for (size_t c = begin; c < begin + kRun; ++c) {
      for (size_t r = 0; r < kRuns; ++r) {
        const size_t at = c + r * kRun;
        const VF32 factor = hn::Set(df, x[at]);
        for (size_t p = 0; p < kPanels; ++p) {
          run[r][p] = hn::MulAdd(hn::Load(df, panels[p].value + at * kRows), factor, run[r][p]);
        }
      }
    }
    for (size_t p = 0; p < kPanels; ++p) {
      VF32 sum = hn::Load(df, sums + p * kRows);
      for (size_t r = 0; r < kRuns; ++r) sum = hn::Add(sum, run[r][p]);
      hn::Store(sum, df, sums + p * kRows);
    }
  }
  for (; begin < columns; begin += kRun) {
    VF32 run[1][kPanels];
    MultiplyRun(panels, begin, std::min(begin + kRun, columns), x, 0, run);
    for (size_t p = 0; p < kPanels; ++p) {
      hn::Store(hn::Add(hn::Load(df, sums + p * kRows), run[0][p]), df, sums + p * kRows);
    }
  }
}

// All tokens of a tile.
template <size_t kPanels>
void MultiplyTokens(const FloatPanel* panels, size_t columns, const float* x, size_t x_stride,
                    size_t tokens, float* sums) {
  constexpr size_t kSums = kMostPanels * kRows;
  size_t t = 0;
  for (; t + kMostTokens <= tokens; t += kMostTokens) {
    MultiplyPanels<kMostTokens, kPanels>(panels, columns, x + t * x_stride, x_stride,
                                         sums + t * kSums);
  }
  for (; t + 2 <= tokens; t += 2) {
    MultiplyPanels<2, kPanels>(panels, columns, x + t * x_stride, x_stride, sums + t * kSums);
  }
  if (t < tokens) MultiplyOneToken<kPanels>(panels, columns, x + t * x_stride, sums + t * kSums);
}

using DecodeFunction = void (*)(Source chunk, size_t rows, size_t columns, FloatPanel& panel);

// One chunk of whole lines of kRows floats' rows, with one token.
void MultiplyChunkOfLines(const uint8_t* rows, size_t stride, size_t columns, const float* x,
                          float* sums) {
  static_assert(kLineRun == kRun);
  for (size_t col = 0; col < columns; col += kLineRuns * kRun) {
    MultiplyLines(rows + col * sizeof(float), stride, x + col, sums);
  }
}

// A chunk of at most kRows sparse rows.
HWY_NOINLINE void DecodeSparse(DecodeFunction decode, DType type, Source weights, size_t rows,
                               size_t col, size_t columns, FloatPanel& panel) {
  alignas(64) uint8_t buffer[kRows * kChunkBytes];
  decode(UnpackTile(type, weights, rows, col, buffer), kRows, columns, panel);
}

// One tile of at most kMostPanels * kRows rows and kTokenTile tokens.
void MultiplyTile(DecodeFunction decode, const DTypeInfo& info, Source weights, const uint8_t* end,
                  size_t rows, size_t cols, const float* x, size_t x_stride, size_t tokens,
                  float* out, size_t out_stride) {
  NextTile next(weights, rows, end, cols);
  FloatPanel panels[kMostPanels];
  constexpr size_t kSums = kMostPanels * kRows;
  alignas(64) float sums[kTokenTile * kSums];
  std::memset(sums, 0, tokens * kSums * sizeof(float));
  for (size_t col = 0; col < cols; col += kChunkColumns) {
    const size_t columns = std::min(kChunkColumns, cols - col);
    next.Prefetch((columns + kRun - 1) / kRun);
    const auto decode_panel = [&](size_t first, size_t some, FloatPanel& panel) {
      const uint8_t* data = weights.data + first * weights.stride;
      if (weights.sparse_cols != 0) {
        const Source sparse = {data, weights.stride, weights.sparse_cols};
        return DecodeSparse(decode, info.type, sparse, some, col, columns, panel);
      }
      decode({data + RowBytes(info, col), weights.stride}, some, columns, panel);
    };
    const bool lines = weights.sparse_cols == 0 && kHaveLines && info.type == DType::kF32 &&
                       tokens == 1 && columns % (kLineRuns * kRun) == 0 &&
                       rows == kMostPanels * kRows;
    if (lines) {
      const uint8_t* chunk = weights.data + RowBytes(info, col);
      for (size_t p = 0; p < kMostPanels; ++p) {
        MultiplyChunkOfLines(chunk + p * kRows * weights.stride, weights.stride, columns, x + col,
                             sums + p * kRows);
      }
      continue;
    }
    decode_panel(0, std::min(rows, kRows), panels[0]);
    if (rows > kRows) {
      decode_panel(kRows, rows - kRows, panels[1]);
      MultiplyTokens<2>(panels, columns, x + col, x_stride, tokens, sums);
    } else {
      MultiplyTokens<1>(panels, columns, x + col, x_stride, tokens, sums);
    }
  }
  StoreSums(sums, kSums, rows, tokens, out, out_stride);
}

DecodeFunction DecoderOf(DType type) {
  switch (type) {
    case DType::kF32:
      return DecodeFloats<DecodeF32>;
    case DType::kF16:
      return DecodeFloats<DecodeF16>;
    case DType::kBF16:
      return DecodeFloats<DecodeBF16>;
    case DType::kQ4_0:
      return DecodeCodes<DecodeQ4_0>;
    case DType::kQ4_1:
      return DecodeCodes<DecodeQ4_1>;
    case DType::kQ5_0:
      return DecodeCodes<DecodeQ5_0>;
    case DType::kQ5_1:
      return DecodeCodes<DecodeQ5_1>;
    case DType::kQ8_0:
      return DecodeCodes<DecodeQ8_0>;
    case DType::kQ4_K:
      return DecodeCodes<DecodeQ4_K>;
    case DType::kQ5_K:
      return DecodeCodes<DecodeQ5_K>;
    case DType::kQ6_K:
      return DecodeCodes<DecodeQ6_K>;
  }
  return nullptr;
}

}  // namespace

void MatMulF32Simd(const WeightRows& weights, const float* x, size_t x_stride, size_t tokens,
                   float* out, size_t out_stride) {
  const DTypeInfo& info = Info(weights.type);
  const DecodeFunction decode = DecoderOf(weights.type);
  const uint8_t* end = SourceOf(weights, weights.rows).data;
  for (size_t t = 0; t < tokens; t += kTokenTile) {
    const size_t some = std::min(kTokenTile, tokens - t);
    for (size_t r = 0; r < weights.rows; r += kMostPanels * kRows) {
      MultiplyTile(decode, info, SourceOf(weights, r), end,
                   std::min<size_t>(kMostPanels * kRows, weights.rows - r), weights.cols,
                   x + t * x_stride, x_stride, some, out + t * out_stride + r, out_stride);
    }
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(MatMulF32Simd);

void MatMulF32(const WeightRows& weights, const float* x, uint64_t x_stride, uint64_t tokens,
               float* out, uint64_t out_stride) {
  HWY_DYNAMIC_DISPATCH(MatMulF32Simd)(weights, x, x_stride, tokens, out, out_stride);
}

}  // namespace tinyai
#endif
