#include "kernel/activations.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/activations.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/activations-inl.h"
#include "kernel/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

template <Activation kind>
struct Function {
  VF32 alpha;

  HWY_INLINE VF32 operator()(VF32 x) const {
    const F32Tag d;
    const VF32 zero = hn::Zero(d);
    switch (kind) {
      case Activation::kRelu:
        return KeepNaN(x, hn::Max(x, zero));
      case Activation::kClip:
        return KeepNaN(x, hn::Min(hn::Max(x, zero), alpha));
      case Activation::kLeakyRelu:
        return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(alpha, x), x);
      case Activation::kGelu:
        return hn::Mul(x, NormalCdf(x));
      case Activation::kGeluTanh: {  // (1 + tanh(u)) / 2 = sigmoid(2 u)
        const VF32 cubic = hn::Mul(hn::Mul(x, x), hn::Set(d, 0.044715f));
        const VF32 u2 = hn::Mul(hn::MulAdd(cubic, x, x), hn::Set(d, 1.59576912f));
        return hn::Mul(x, Sigmoid(u2));
      }
      case Activation::kSilu:
        return hn::Mul(x, Sigmoid(x));
      case Activation::kSigmoid:
        return Sigmoid(x);
      case Activation::kTanh:
        return Tanh(x);
      case Activation::kHardSigmoid:
        return KeepNaN(x, HardSigmoid(x));
      case Activation::kHardSwish:
        return hn::Mul(x, HardSigmoid(x));
      case Activation::kExp:
        return Exp(x);
    }
    return x;
  }
};

template <Activation kind>
void Apply(float alpha, const float* x, size_t size, float* out) {
  MapLanes(x, size, out, Function<kind>{hn::Set(F32Tag(), alpha)});
}

}  // namespace

void ActivateSimd(Activation kind, float alpha, const float* x, size_t size, float* out) {
  switch (kind) {
    case Activation::kRelu:
      return Apply<Activation::kRelu>(alpha, x, size, out);
    case Activation::kClip:
      return Apply<Activation::kClip>(alpha, x, size, out);
    case Activation::kLeakyRelu:
      return Apply<Activation::kLeakyRelu>(alpha, x, size, out);
    case Activation::kGelu:
      return Apply<Activation::kGelu>(alpha, x, size, out);
    case Activation::kGeluTanh:
      return Apply<Activation::kGeluTanh>(alpha, x, size, out);
    case Activation::kSilu:
      return Apply<Activation::kSilu>(alpha, x, size, out);
    case Activation::kSigmoid:
      return Apply<Activation::kSigmoid>(alpha, x, size, out);
    case Activation::kTanh:
      return Apply<Activation::kTanh>(alpha, x, size, out);
    case Activation::kHardSigmoid:
      return Apply<Activation::kHardSigmoid>(alpha, x, size, out);
    case Activation::kHardSwish:
      return Apply<Activation::kHardSwish>(alpha, x, size, out);
    case Activation::kExp:
      return Apply<Activation::kExp>(alpha, x, size, out);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(ActivateSimd);

void Activate(Activation kind, float alpha, std::span<const float> x, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(ActivateSimd)(kind, alpha, x.data(), x.size(), out.data());
}

}  // namespace tinyai
#endif
