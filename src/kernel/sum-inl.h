// Sums of float rows in double: even of 10^5 terms their error is far below a float's.

#if defined(TINYAI_KERNEL_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_SUM_INL_H_
#undef TINYAI_KERNEL_SUM_INL_H_
#else
#define TINYAI_KERNEL_SUM_INL_H_
#endif

#include "kernel/dot8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

using F64Tag = hn::ScalableTag<double>;
using VF64 = hn::Vec<F64Tag>;

// The sum of add(sum, x[i] - shift) over all i, where `add` takes and returns doubles' vectors.
template <class Function>
HWY_INLINE double SumRow(const float* x, size_t size, double shift, Function add) {
  const F64Tag d;
  const hn::Rebind<float, F64Tag> half;
  const VF64 offset = hn::Set(d, shift);
  VF64 sum = hn::Zero(d);
  size_t i = 0;
  for (; i + hn::Lanes(d) <= size; i += hn::Lanes(d)) {
    sum = add(sum, hn::Sub(hn::PromoteTo(d, hn::LoadU(half, x + i)), offset));
  }
  double total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < size; ++i) {
    total = hn::GetLane(add(hn::Set(d, total), hn::Set(d, static_cast<double>(x[i]) - shift)));
  }
  return total;
}

struct AddTo {
  HWY_INLINE VF64 operator()(VF64 sum, VF64 v) const { return hn::Add(sum, v); }
};
struct AddSquareTo {
  HWY_INLINE VF64 operator()(VF64 sum, VF64 v) const { return hn::MulAdd(v, v, sum); }
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_SUM_INL_H_
