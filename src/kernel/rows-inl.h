// Reading N rows of a matrix side by side: lane r of every vector belongs to row r. Kernels that
// work so need no sums across lanes, and a row's result cannot depend on its neighbours.

#if defined(TINYAI_KERNEL_ROWS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ROWS_INL_H_
#undef TINYAI_KERNEL_ROWS_INL_H_
#else
#define TINYAI_KERNEL_ROWS_INL_H_
#endif

#include <cstring>

#include "kernel/dot8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Rows read side by side, the N above.
constexpr size_t kRows = hn::MaxLanes(U32Tag());

// Sixteen bytes of each row: lane r of v[k] has bytes 4k to 4k + 3 of row r.
struct Chunk {
  VU32 v0, v1, v2, v3;
};

HWY_INLINE VU32 LoadDword(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof(value));
  return hn::Set(U32Tag(), value);
}

#if HWY_TARGET != HWY_SCALAR
// Sixteen bytes at p, p + distance, ..., one after the other.
HWY_INLINE VU32 LoadApart(const uint8_t* p, size_t distance) {
  const hn::Full128<uint8_t> d16;
#if HWY_CAP_GE512
  const hn::Full256<uint8_t> d32;
  const auto low = hn::Combine(d32, hn::LoadU(d16, p + distance), hn::LoadU(d16, p));
  const auto high =
      hn::Combine(d32, hn::LoadU(d16, p + 3 * distance), hn::LoadU(d16, p + 2 * distance));
  return hn::BitCast(U32Tag(), hn::Combine(hn::Repartition<uint8_t, U32Tag>(), high, low));
#elif HWY_CAP_GE256
  return hn::BitCast(U32Tag(), hn::Combine(hn::Repartition<uint8_t, U32Tag>(),
                                           hn::LoadU(d16, p + distance), hn::LoadU(d16, p)));
#else
  (void)distance;
  return hn::BitCast(U32Tag(), hn::LoadU(d16, p));
#endif
}
#endif

// Reads 16 bytes at p, p + stride, ... of kRows rows.
HWY_INLINE Chunk LoadChunk(const uint8_t* p, size_t stride) {
#if HWY_TARGET == HWY_SCALAR
  (void)stride;
  return {LoadDword(p), LoadDword(p + 4), LoadDword(p + 8), LoadDword(p + 12)};
#else
  static_assert(kRows == 4 || kRows == 8 || kRows == 16, "rows fill 128-bit blocks by fours");
  const U32Tag d;
  const hn::Repartition<uint64_t, U32Tag> d64;
  const VU32 a = LoadApart(p, 4 * stride);
  const VU32 b = LoadApart(p + stride, 4 * stride);
  const VU32 c = LoadApart(p + 2 * stride, 4 * stride);
  const VU32 e = LoadApart(p + 3 * stride, 4 * stride);
  const auto ab_low = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
  const auto ce_low = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
  const auto ab_high = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
  const auto ce_high = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
  return {hn::BitCast(d, hn::InterleaveLower(d64, ab_low, ce_low)),
          hn::BitCast(d, hn::InterleaveUpper(d64, ab_low, ce_low)),
          hn::BitCast(d, hn::InterleaveLower(d64, ab_high, ce_high)),
          hn::BitCast(d, hn::InterleaveUpper(d64, ab_high, ce_high))};
#endif
}

// Float of the binary16 in the low half of every lane (the high half is zero); exact.
HWY_INLINE VF32 FloatOfF16(VU32 half) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  const hn::Rebind<uint16_t, U32Tag> d16;
  const hn::Rebind<hwy::float16_t, U32Tag> dh;
  return hn::PromoteTo(F32Tag(), hn::BitCast(dh, hn::TruncateTo(d16, half)));
#else
  // Moved to a float's place the exponent is 112 too small, which the product puts right for
  // subnormals too; only infinities and NaNs need their exponent set.
  const U32Tag d;
  const VU32 magnitude = hn::And(half, hn::Set(d, 0x7FFFu));
  const VU32 sign = hn::ShiftLeft<16>(hn::And(half, hn::Set(d, 0x8000u)));
  const VF32 scaled =
      hn::Mul(hn::BitCast(F32Tag(), hn::ShiftLeft<13>(magnitude)), hn::Set(F32Tag(), 0x1p112f));
  const VU32 special =
      hn::IfThenElseZero(hn::Gt(magnitude, hn::Set(d, 0x7BFFu)), hn::Set(d, 0x7F800000u));
  return hn::BitCast(F32Tag(), hn::Or(hn::Or(hn::BitCast(d, scaled), special), sign));
#endif
}

HWY_INLINE VU32 LowHalf(VU32 v) { return hn::And(v, hn::Set(U32Tag(), 0xFFFFu)); }
HWY_INLINE VU32 HighHalf(VU32 v) { return hn::ShiftRight<16>(v); }
// Every byte of every lane has the value `byte`.
HWY_INLINE VU32 Bytes(uint32_t byte) { return hn::Set(U32Tag(), byte * 0x01010101u); }

// Byte k of every lane as a float.
template <int k>
HWY_INLINE VF32 FloatOfByte(VU32 v) {
  const VU32 byte = hn::And(hn::ShiftRight<8 * k>(v), hn::Set(U32Tag(), 0xFFu));
  return hn::ConvertTo(F32Tag(), hn::BitCast(I32Tag(), byte));
}
template <int k>
HWY_INLINE VF32 FloatOfSignedByte(VU32 v) {
  const VI32 high = hn::ShiftLeft<24 - 8 * k>(hn::BitCast(I32Tag(), v));
  return hn::ConvertTo(F32Tag(), hn::ShiftRight<24>(high));
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ROWS_INL_H_
