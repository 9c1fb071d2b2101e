#include "kernel/binary.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/binary.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

struct AddLanes {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const { return hn::Add(x, y); }
};
struct SubLanes {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const { return hn::Sub(x, y); }
};
struct MulLanes {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const { return hn::Mul(x, y); }
};
struct DivLanes {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const { return hn::Div(x, y); }
};
// f with one of its arguments the same for all.
template <class F>
struct FirstFixed {
  F f;
  VF32 x;
  HWY_INLINE VF32 operator()(VF32 y) const { return f(x, y); }
};
template <class F>
struct SecondFixed {
  F f;
  VF32 y;
  HWY_INLINE VF32 operator()(VF32 x) const { return f(x, y); }
};

template <class F>
void Apply(const float* x, size_t x_size, const float* y, size_t y_size, float* out, size_t size) {
  const F32Tag d;
  if (x_size == size && y_size == size) return MapLanes(x, y, size, out, F());
  if (y_size == 1) return MapLanes(x, size, out, SecondFixed<F>{F(), hn::Set(d, *y)});
  MapLanes(y, size, out, FirstFixed<F>{F(), hn::Set(d, *x)});
}

}  // namespace

void BinarySimd(BinaryOp op, const float* x, size_t x_size, const float* y, size_t y_size,
                float* out, size_t size) {
  switch (op) {
    case BinaryOp::kAdd:
      return Apply<AddLanes>(x, x_size, y, y_size, out, size);
    case BinaryOp::kSub:
      return Apply<SubLanes>(x, x_size, y, y_size, out, size);
    case BinaryOp::kMul:
      return Apply<MulLanes>(x, x_size, y, y_size, out, size);
    case BinaryOp::kDiv:
      return Apply<DivLanes>(x, x_size, y, y_size, out, size);
    case BinaryOp::kMin:
      return Apply<Smaller>(x, x_size, y, y_size, out, size);
    case BinaryOp::kMax:
      return Apply<Larger>(x, x_size, y, y_size, out, size);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(BinarySimd);

void Binary(BinaryOp op, std::span<const float> x, std::span<const float> y, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(BinarySimd)
  (op, x.data(), x.size(), y.data(), y.size(), out.data(), out.size());
}

}  // namespace tinyai
#endif
