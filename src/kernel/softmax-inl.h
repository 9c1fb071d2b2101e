// The exponentials of a row, which softmax and attention share.

#if defined(TINYAI_KERNEL_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_SOFTMAX_INL_H_
#undef TINYAI_KERNEL_SOFTMAX_INL_H_
#else
#define TINYAI_KERNEL_SOFTMAX_INL_H_
#endif

#include <algorithm>
#include <limits>

#include "kernel/exp-inl.h"
#include "kernel/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Replaces scores by exp(score - largest); returns 1 / their sum.
inline float Exponentiate(float* scores, size_t count) {
  const F32Tag d;
  const float largest = *std::max_element(scores, scores + count);
  const VF32 top = hn::Set(d, largest);
  VF32 sum = hn::Zero(d);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF32 e = Exp(hn::Sub(hn::LoadU(d, scores + i), top));
    hn::StoreU(e, d, scores + i);
    sum = hn::Add(sum, e);
  }
  if (i < count) {
    const VF32 last = LoadFirst(scores + i, count - i, -std::numeric_limits<float>::infinity());
    const VF32 e = Exp(hn::Sub(last, top));
    StoreFirst(e, count - i, scores + i);
    sum = hn::Add(sum, e);
  }
  return 1.0f / hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_SOFTMAX_INL_H_
