#include "kernel/softmax.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/softmax.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

void SoftmaxRow(const float* x, size_t size, float* out) {
  if (out != x) std::memcpy(out, x, size * sizeof(float));
  const VF32 factor = hn::Set(F32Tag(), Exponentiate(out, size));
  for (size_t i = 0; i < size; i += kLanes) {
    const size_t count = std::min(kLanes, size - i);
    StoreFirst(hn::Mul(LoadFirst(out + i, count), factor), count, out + i);
  }
}

// `count` <= kLanes columns that lie side by side, a lane each.
void SoftmaxColumns(const float* x, size_t size, size_t inner, size_t count, float* out) {
  const F32Tag d;
  VF32 largest = LoadFirst(x, count);
  for (size_t i = 1; i < size; ++i) {
    const VF32 v = LoadFirst(x + i * inner, count);
    largest = hn::IfThenElse(hn::Gt(v, largest), v, largest);
  }
  VF32 sum = hn::Zero(d);
  for (size_t i = 0; i < size; ++i) {
    const VF32 e = Exp(hn::Sub(LoadFirst(x + i * inner, count), largest));
    StoreFirst(e, count, out + i * inner);
    sum = hn::Add(sum, e);
  }
  const VF32 factor = hn::Div(hn::Set(d, 1.0f), sum);
  for (size_t i = 0; i < size; ++i) {
    StoreFirst(hn::Mul(LoadFirst(out + i * inner, count), factor), count, out + i * inner);
  }
}

}  // namespace

void SoftmaxSimd(const float* x, size_t size, size_t inner, IndexRange columns, float* out) {
  if (size == 0 || columns.first >= columns.end) return;
  if (inner == 1) return SoftmaxRow(x, size, out);
  for (size_t c = columns.first; c < columns.end; c += kLanes) {
    SoftmaxColumns(x + c, size, inner, std::min<size_t>(kLanes, columns.end - c), out + c);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(SoftmaxSimd);

void Softmax(const float* x, uint64_t size, uint64_t inner, IndexRange columns, float* out) {
  HWY_DYNAMIC_DISPATCH(SoftmaxSimd)(x, size, inner, columns, out);
}

}  // namespace tinyai
#endif
