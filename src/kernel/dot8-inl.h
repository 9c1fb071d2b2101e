// The one operation Highway 1.0.3 lacks: products of 8-bit integers, summed by fours into 32-bit
// lanes. Also switches AVX-512 VNNI on for the AVX3_DL target, whose attribute leaves it out.
// Include after hwy/highway.h and before HWY_BEFORE_NAMESPACE.

#if defined(TINYAI_KERNEL_DOT8_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_DOT8_INL_H_
#undef TINYAI_KERNEL_DOT8_INL_H_
#else
#define TINYAI_KERNEL_DOT8_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3_DL
#undef HWY_TARGET_STR
#define HWY_TARGET_STR \
  HWY_TARGET_STR_AVX3  \
  ",vpclmulqdq,avx512vbmi,avx512vbmi2,vaes,avxvnni,avx512bitalg,avx512vpopcntdq,avx512vnni"
#endif

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using I32Tag = hn::ScalableTag<int32_t>;
using U32Tag = hn::ScalableTag<uint32_t>;
using F32Tag = hn::ScalableTag<float>;
using VI32 = hn::Vec<I32Tag>;
using VU32 = hn::Vec<U32Tag>;
using VF32 = hn::Vec<F32Tag>;

// Whether DotUnsigned takes codes up to 255. Where it does, signed codes are stored with 128 added;
// elsewhere they stay signed and DotSigned takes them.
#if HWY_TARGET == HWY_AVX3_DL
constexpr bool kWideCodes = true;
#else
constexpr bool kWideCodes = false;
#endif

#if HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128 && HWY_ARCH_X86

#if HWY_TARGET <= HWY_AVX3
HWY_INLINE VI32 MultiplyPairs(VI32 codes, VI32 x) {  // u8 x s8, summed by twos, saturating
  return VI32{_mm512_maddubs_epi16(codes.raw, x.raw)};
}
HWY_INLINE VI32 SumPairs(VI32 pairs) {
  return VI32{_mm512_madd_epi16(pairs.raw, _mm512_set1_epi16(1))};
}
#elif HWY_TARGET == HWY_AVX2
HWY_INLINE VI32 MultiplyPairs(VI32 codes, VI32 x) {
  return VI32{_mm256_maddubs_epi16(codes.raw, x.raw)};
}
HWY_INLINE VI32 SumPairs(VI32 pairs) {
  return VI32{_mm256_madd_epi16(pairs.raw, _mm256_set1_epi16(1))};
}
#else
HWY_INLINE VI32 MultiplyPairs(VI32 codes, VI32 x) {
  return VI32{_mm_maddubs_epi16(codes.raw, x.raw)};
}
HWY_INLINE VI32 SumPairs(VI32 pairs) { return VI32{_mm_madd_epi16(pairs.raw, _mm_set1_epi16(1))}; }
#endif

// sum + the four products of each lane. `codes` are unsigned bytes of at most 127 (255 with
// kWideCodes), `x` signed bytes; 2 * 127 * 128 fits in 16 bits, so nothing saturates.
HWY_INLINE VI32 DotUnsigned(VI32 sum, VI32 codes, VI32 x) {
#if HWY_TARGET == HWY_AVX3_DL
  return VI32{_mm512_dpbusd_epi32(sum.raw, codes.raw, x.raw)};
#else
  return hn::Add(sum, SumPairs(MultiplyPairs(codes, x)));
#endif
}

// The same for signed codes (any) and x of at least -127: |code| <= 128 times +-x.
HWY_INLINE VI32 DotSigned(VI32 sum, VI32 codes, VI32 x) {
  const hn::Repartition<int8_t, I32Tag> d8;
  const auto signed_codes = hn::BitCast(d8, codes);
  const auto bytes = hn::BitCast(d8, x);
  const auto zero = hn::Zero(d8);
  const auto flipped = hn::IfThenElse(hn::Lt(signed_codes, zero), hn::Sub(zero, bytes), bytes);
  const I32Tag d;
  return DotUnsigned(sum, hn::BitCast(d, hn::Abs(signed_codes)), hn::BitCast(d, flipped));
}

#elif HWY_TARGET == HWY_NEON && defined(__ARM_FEATURE_DOTPROD)

HWY_INLINE VI32 DotSigned(VI32 sum, VI32 codes, VI32 x) {
  return VI32{vdotq_s32(sum.raw, vreinterpretq_s8_s32(codes.raw), vreinterpretq_s8_s32(x.raw))};
}
HWY_INLINE VI32 DotUnsigned(VI32 sum, VI32 codes, VI32 x) { return DotSigned(sum, codes, x); }

#else  // portable: one byte of every lane after the other

// Byte k of every lane, sign-extended.
template <int k>
HWY_INLINE VI32 SignedByte(VI32 v) {
  return hn::ShiftRight<24>(hn::ShiftLeft<24 - 8 * k>(v));
}
HWY_INLINE VI32 DotSigned(VI32 sum, VI32 codes, VI32 x) {
  sum = hn::Add(sum, hn::Mul(SignedByte<0>(codes), SignedByte<0>(x)));
  sum = hn::Add(sum, hn::Mul(SignedByte<1>(codes), SignedByte<1>(x)));
  sum = hn::Add(sum, hn::Mul(SignedByte<2>(codes), SignedByte<2>(x)));
  return hn::Add(sum, hn::Mul(SignedByte<3>(codes), SignedByte<3>(x)));
}
HWY_INLINE VI32 DotUnsigned(VI32 sum, VI32 codes, VI32 x) { return DotSigned(sum, codes, x); }

#endif

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_DOT8_INL_H_
