// Activation functions of a vector of floats; activations.h states what they compute.

#if defined(TINYAI_KERNEL_ACTIVATIONS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ACTIVATIONS_INL_H_
#undef TINYAI_KERNEL_ACTIVATIONS_INL_H_
#else
#define TINYAI_KERNEL_ACTIVATIONS_INL_H_
#endif

#include "kernel/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

HWY_INLINE VF32 Sigmoid(VF32 x) {
  const VF32 one = hn::Set(F32Tag(), 1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

HWY_INLINE VF32 Tanh(VF32 x) {
  const F32Tag d;
  const VF32 one = hn::Set(d, 1.0f), two = hn::Set(d, 2.0f);
  const VF32 size = hn::Abs(x);
  const VF32 far = hn::NegMulAdd(two, hn::Div(one, hn::Add(one, Exp(hn::Mul(two, size)))), one);
  // Below 0.625, where that would cancel: x + x^3 p(x^2), p fitted to 7e-9 of tanh.
  const VF32 square = hn::Mul(x, x);
  VF32 p = hn::Set(d, -0x1.6a529cp-8f);
  p = hn::MulAdd(p, square, hn::Set(d, 0x1.4f992cp-6f));
  p = hn::MulAdd(p, square, hn::Set(d, -0x1.b7da4ep-5f));
  p = hn::MulAdd(p, square, hn::Set(d, 0x1.11044ep-3f));
  p = hn::MulAdd(p, square, hn::Set(d, -0x1.555526p-2f));
  const VF32 near = hn::MulAdd(hn::Mul(p, square), x, x);
  return hn::IfThenElse(hn::Lt(size, hn::Set(d, 0.625f)), near, hn::CopySign(far, x));
}

// The normal distribution at x: 1 - Q or Q, where Q(|x|) = erfc(|x| / sqrt(2)) / 2.
HWY_INLINE VF32 NormalCdf(VF32 x) {
  const F32Tag d;
  const VF32 one = hn::Set(d, 1.0f);
  const VF32 z = hn::Mul(hn::Abs(x), hn::Set(d, 0x1.6a09e6p-1f));
  // erfc(z) = e^(-z^2) t p(t) with t = 1 / (1 + z / 2); p fitted to 5e-8 over z in [0, 10.5].
  const VF32 t = hn::Div(one, hn::MulAdd(z, hn::Set(d, 0.5f), one));
  VF32 p = hn::Set(d, -0x1.e4e9c8p-5f);
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.240730p-2f));
  p = hn::MulAdd(p, t, hn::Set(d, -0x1.f42f8cp-2f));
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.1e3910p-2f));
  p = hn::MulAdd(p, t, hn::Set(d, -0x1.c49a9ap-6f));
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.9ff860p-3f));
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.f1a824p-3f));
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.212adep-2f));
  p = hn::MulAdd(p, t, hn::Set(d, 0x1.20db0ap-2f));
  const VF32 power = Exp(hn::Mul(hn::Mul(x, x), hn::Set(d, -0.5f)));
  const VF32 q = hn::Mul(hn::Mul(hn::Mul(p, t), power), hn::Set(d, 0.5f));
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), q, hn::Sub(one, q));
}

HWY_INLINE VF32 HardSigmoid(VF32 x) {
  const F32Tag d;
  const VF32 line = hn::MulAdd(x, hn::Set(d, 1.0f / 6), hn::Set(d, 0.5f));
  return hn::Min(hn::Max(line, hn::Zero(d)), hn::Set(d, 1.0f));
}

// f(x), but a NaN where x is one: Min and Max may lose it.
HWY_INLINE VF32 KeepNaN(VF32 x, VF32 f) { return hn::IfThenElse(hn::Eq(x, x), f, x); }

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ACTIVATIONS_INL_H_
