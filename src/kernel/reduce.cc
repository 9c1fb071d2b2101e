#include "kernel/reduce.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/reduce.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/lanes-inl.h"
#include "kernel/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

template <class Choice>
float ExtremeOfRow(const float* x, size_t size) {
  const F32Tag d;
  VF32 best = hn::Set(d, x[0]);
  for (size_t i = 0; i < size; i += kLanes) {
    best = Choice()(LoadFirst(x + i, std::min(kLanes, size - i), x[0]), best);
  }
  alignas(64) float lanes[kLanes];
  hn::Store(best, d, lanes);
  for (const float lane : lanes) best = Choice()(hn::Set(d, lane), best);
  return hn::GetLane(best);
}

template <class Choice>
void ExtremeOfColumns(const float* x, size_t size, size_t inner, size_t columns, float* out) {
  for (size_t c = 0; c < columns; c += kLanes) {
    const size_t count = std::min(kLanes, columns - c);
    VF32 best = LoadFirst(x + c, count);
    for (size_t i = 1; i < size; ++i) {
      best = Choice()(LoadFirst(x + i * inner + c, count), best);
    }
    StoreFirst(best, count, out + c);
  }
}

template <class Choice>
void Extreme(const float* x, size_t size, size_t inner, size_t columns, float* out) {
  if (inner == 1) {
    *out = ExtremeOfRow<Choice>(x, size);
  } else {
    ExtremeOfColumns<Choice>(x, size, inner, columns, out);
  }
}

// Sums over `divisor`, column by column in bunches that stay in the cache.
void SumColumns(const float* x, size_t size, size_t inner, size_t columns, double divisor,
                float* out) {
  constexpr size_t kBunch = 64;
  double sums[kBunch];
  for (size_t c = 0; c < columns; c += kBunch) {
    const size_t count = std::min(kBunch, columns - c);
    std::fill_n(sums, count, 0.0);
    for (size_t i = 0; i < size; ++i) {
      for (size_t k = 0; k < count; ++k) sums[k] += x[i * inner + c + k];
    }
    for (size_t k = 0; k < count; ++k) out[c + k] = static_cast<float>(sums[k] / divisor);
  }
}

void Sum(const float* x, size_t size, size_t inner, size_t columns, double divisor, float* out) {
  if (inner == 1) {
    *out = static_cast<float>(SumRow(x, size, 0.0, AddTo()) / divisor);
  } else {
    SumColumns(x, size, inner, columns, divisor, out);
  }
}

}  // namespace

void ReduceSimd(ReduceKind kind, const float* x, size_t size, size_t inner, size_t columns,
                float* out) {
  switch (kind) {
    case ReduceKind::kSum:
      return Sum(x, size, inner, columns, 1.0, out);
    case ReduceKind::kMean:
      return Sum(x, size, inner, columns, static_cast<double>(size), out);
    case ReduceKind::kMax:
      return Extreme<Larger>(x, size, inner, columns, out);
    case ReduceKind::kMin:
      return Extreme<Smaller>(x, size, inner, columns, out);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(ReduceSimd);

void Reduce(ReduceKind kind, const float* x, uint64_t size, uint64_t inner, IndexRange columns,
            float* out) {
  if (columns.first >= columns.end) return;
  HWY_DYNAMIC_DISPATCH(ReduceSimd)
  (kind, x + columns.first, size, inner, columns.size(), out);
}

}  // namespace tinyai
#endif
