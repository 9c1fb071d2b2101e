// Rows of weights of any type decoded to floats, a chunk of columns at a time.

#if defined(TINYAI_KERNEL_FLOAT_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_FLOAT_PANEL_INL_H_
#undef TINYAI_KERNEL_FLOAT_PANEL_INL_H_
#else
#define TINYAI_KERNEL_FLOAT_PANEL_INL_H_
#endif

#include "kernel/panel-inl.h"
#include "kernel/panel_k-inl.h"
#include "kernel/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// kRows rows of up to kChunkColumns floats as products read them: columns of the same residue
// modulo the lanes of a vector follow each other.
struct FloatPanel {
  static constexpr size_t kRun = kChunkColumns / kRows;  // columns of a residue
  alignas(64) float value[kChunkColumns * kRows];

  static constexpr size_t At(size_t column) {
    return (column % kRows * kRun + column / kRows) * kRows;
  }
};

// Column `column` + k, k < 4, where `column` is a multiple of 4.
HWY_INLINE void StoreColumn(VF32 v, size_t column, size_t k, FloatPanel& panel) {
  constexpr bool kFours = kRows % 4 == 0;
  const size_t at =
      kFours ? FloatPanel::At(column) + k * FloatPanel::kRun * kRows : FloatPanel::At(column + k);
  hn::Store(v, F32Tag(), panel.value + at);
}

// Decoders of the float types: `Decode` reads kElements columns, 16 bytes, of each row.
struct DecodeF32 {
  static constexpr DType kType = DType::kF32;
  static constexpr size_t kElements = 4;
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    StoreColumn(hn::BitCast(F32Tag(), c.v0), column, 0, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v1), column, 1, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v2), column, 2, panel);
    StoreColumn(hn::BitCast(F32Tag(), c.v3), column, 3, panel);
  }
};
struct DecodeF16 {
  static constexpr DType kType = DType::kF16;
  static constexpr size_t kElements = 8;
  static HWY_INLINE void Pair(VU32 v, size_t column, size_t k, FloatPanel& panel) {
    StoreColumn(FloatOfF16(LowHalf(v)), column, k, panel);
    StoreColumn(FloatOfF16(HighHalf(v)), column, k + 1, panel);
  }
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    Pair(c.v0, column, 0, panel);
    Pair(c.v1, column, 2, panel);
    Pair(c.v2, column + 4, 0, panel);
    Pair(c.v3, column + 4, 2, panel);
  }
};
struct DecodeBF16 {
  static constexpr DType kType = DType::kBF16;
  static constexpr size_t kElements = 8;
  static HWY_INLINE void Pair(VU32 v, size_t column, size_t k, FloatPanel& panel) {
    const VU32 high = hn::And(v, hn::Set(U32Tag(), 0xFFFF0000u));
    StoreColumn(hn::BitCast(F32Tag(), hn::ShiftLeft<16>(v)), column, k, panel);
    StoreColumn(hn::BitCast(F32Tag(), high), column, k + 1, panel);
  }
  static HWY_INLINE void Decode(const Chunk& c, size_t column, FloatPanel& panel) {
    Pair(c.v0, column, 0, panel);
    Pair(c.v1, column, 2, panel);
    Pair(c.v2, column + 4, 0, panel);
    Pair(c.v3, column + 4, 2, panel);
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
    StoreColumn(value(FloatOfSignedByte<0>(codes)), column, 0, panel);
    StoreColumn(value(FloatOfSignedByte<1>(codes)), column, 1, panel);
    StoreColumn(value(FloatOfSignedByte<2>(codes)), column, 2, panel);
    StoreColumn(value(FloatOfSignedByte<3>(codes)), column, 3, panel);
  } else {
    StoreColumn(value(FloatOfByte<0>(codes)), column, 0, panel);
    StoreColumn(value(FloatOfByte<1>(codes)), column, 1, panel);
    StoreColumn(value(FloatOfByte<2>(codes)), column, 2, panel);
    StoreColumn(value(FloatOfByte<3>(codes)), column, 3, panel);
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

using DecodeFunction = void (*)(Source chunk, size_t rows, size_t columns, FloatPanel& panel);

inline DecodeFunction DecoderOf(DType type) {
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
    case DType::kInt2:
      return DecodeCodes<DecodeInt2>;
  }
  return nullptr;
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_FLOAT_PANEL_INL_H_
