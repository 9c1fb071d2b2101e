#include "kernel/norms.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/norms.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/lanes-inl.h"
#include "kernel/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

struct Moments {
  float mean;
  float factor;  // 1 / sqrt(variance + epsilon)
};

Moments MomentsOf(const float* x, size_t size, float epsilon) {
  const auto count = static_cast<double>(size);
  const double mean = SumRow(x, size, 0.0, AddTo()) / count;
  const double variance = SumRow(x, size, mean, AddSquareTo()) / count;
  return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(variance + epsilon))};
}

// (x - mean) * factor + bias, the same three numbers for all.
struct Shift {
  VF32 mean, factor, bias;

  Shift(float m, float f, float b)
      : mean(hn::Set(F32Tag(), m)), factor(hn::Set(F32Tag(), f)), bias(hn::Set(F32Tag(), b)) {}
  HWY_INLINE VF32 operator()(VF32 x) const { return hn::MulAdd(hn::Sub(x, mean), factor, bias); }
};

// (x - mean) * factor * w.
struct Scale {
  VF32 mean, factor;

  HWY_INLINE VF32 operator()(VF32 x, VF32 w) const {
    return hn::Mul(hn::Mul(hn::Sub(x, mean), factor), w);
  }
};
struct Sum {
  HWY_INLINE VF32 operator()(VF32 x, VF32 y) const { return hn::Add(x, y); }
};

}  // namespace

void LayerNormSimd(const float* x, size_t size, const float* weight, const float* bias,
                   float epsilon, float* out) {
  const F32Tag d;
  const Moments m = MomentsOf(x, size, epsilon);
  if (weight == nullptr) {
    MapLanes(x, size, out, Shift(m.mean, m.factor, 0.0f));
  } else {
    MapLanes(x, weight, size, out, Scale{hn::Set(d, m.mean), hn::Set(d, m.factor)});
  }
  if (bias != nullptr) MapLanes(out, bias, size, out, Sum());
}

void GroupNormSimd(const float* x, size_t channels, size_t spatial, const float* weight,
                   const float* bias, float epsilon, float* out) {
  const Moments m = MomentsOf(x, channels * spatial, epsilon);
  for (size_t c = 0; c < channels; ++c) {
    const float factor = weight == nullptr ? m.factor : m.factor * weight[c];
    const float addend = bias == nullptr ? 0.0f : bias[c];
    MapLanes(x + c * spatial, spatial, out + c * spatial, Shift(m.mean, factor, addend));
  }
}

void BatchNormSimd(const float* x, size_t spatial, const ChannelStatistics& s, float epsilon,
                   float* out) {
  for (size_t c = 0; c < s.mean.size(); ++c) {
    const double factor = 1.0 / std::sqrt(static_cast<double>(s.variance[c]) + epsilon);
    const double weight = s.weight.empty() ? 1.0 : s.weight[c];
    MapLanes(
        x + c * spatial, spatial, out + c * spatial,
        Shift(s.mean[c], static_cast<float>(factor * weight), s.bias.empty() ? 0.0f : s.bias[c]));
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(LayerNormSimd);
HWY_EXPORT(GroupNormSimd);
HWY_EXPORT(BatchNormSimd);

namespace {

const float* DataOrNull(std::span<const float> x) { return x.empty() ? nullptr : x.data(); }

}  // namespace

void LayerNorm(std::span<const float> x, std::span<const float> weight, std::span<const float> bias,
               float epsilon, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(LayerNormSimd)
  (x.data(), x.size(), DataOrNull(weight), DataOrNull(bias), epsilon, out.data());
}

void GroupNorm(std::span<const float> x, uint64_t spatial, std::span<const float> weight,
               std::span<const float> bias, float epsilon, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(GroupNormSimd)
  (x.data(), x.size() / spatial, spatial, DataOrNull(weight), DataOrNull(bias), epsilon,
   out.data());
}

void BatchNorm(std::span<const float> x, uint64_t spatial, const ChannelStatistics& statistics,
               float epsilon, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(BatchNormSimd)(x.data(), spatial, statistics, epsilon, out.data());
}

}  // namespace tinyai
#endif
