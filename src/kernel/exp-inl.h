// e^x for a vector of floats.

#if defined(TINYAI_KERNEL_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_EXP_INL_H_
#undef TINYAI_KERNEL_EXP_INL_H_
#else
#define TINYAI_KERNEL_EXP_INL_H_
#endif

#include "kernel/dot8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Relative error below 2e-7. Zero below -87.3 (no subnormal results), infinity above 88.7; a NaN
// stays one.
HWY_INLINE VF32 Exp(VF32 x) {
  const F32Tag d;
  const I32Tag di;
  // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first with room for n's bits.
  const VF32 clamped = hn::Min(hn::Max(x, hn::Set(d, -88.0f)), hn::Set(d, 89.0f));
  const VF32 n = hn::Round(hn::Mul(clamped, hn::Set(d, 0x1.715476p+0f)));
  VF32 r = hn::NegMulAdd(n, hn::Set(d, 0x1.62e400p-1f), clamped);
  r = hn::NegMulAdd(n, hn::Set(d, 0x1.7f7d1cp-20f), r);
  // Taylor to r^7: the next term is below 0.347^8 / 8! = 5e-9.
  VF32 p = hn::Set(d, 1.0f / 5040);
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 720));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 120));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 24));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f / 6));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  // 2^n in two factors, each a normal float for n from -127 to 128.
  const VI32 exponent = hn::ConvertTo(di, n);
  const VI32 half = hn::ShiftRight<1>(exponent);
  const VI32 bias = hn::Set(di, 127);
  const VF32 first = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(half, bias)));
  const VF32 second = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::Sub(exponent, half), bias)));
  VF32 result = hn::Mul(hn::Mul(p, first), second);
  result = hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.33f)), result);
  const VF32 infinity = hn::BitCast(d, hn::Set(di, 0x7F800000));
  result = hn::IfThenElse(hn::Gt(x, hn::Set(d, 88.722839f)), infinity, result);
  return hn::IfThenElse(hn::Eq(x, x), result, x);
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_EXP_INL_H_
