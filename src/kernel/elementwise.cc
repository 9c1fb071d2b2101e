#include "kernel/elementwise.h"

#include <cmath>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/elementwise.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/exp-inl.h"
#include "kernel/lanes-inl.h"
#include "kernel/sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

void AddIntoSimd(const float* x, size_t size, float* sum) {
  for (size_t i = 0; i < size; ++i) sum[i] += x[i];
}

void RmsNormSimd(const float* x, const float* weight, size_t size, float epsilon, float* out) {
  const double mean = SumRow(x, size, 0.0, AddSquareTo()) / static_cast<double>(size);
  const auto factor = static_cast<float>(1.0 / std::sqrt(mean + epsilon));
  for (size_t i = 0; i < size; ++i) out[i] = x[i] * factor * weight[i];
}

struct SiluMulLanes {
  HWY_INLINE VF32 operator()(VF32 gate, VF32 up) const {
    const VF32 below = hn::Add(hn::Set(F32Tag(), 1.0f), Exp(hn::Neg(gate)));
    return hn::Mul(hn::Div(gate, below), up);
  }
};

void SiluMulSimd(float* gate, const float* up, size_t size) {
  MapLanes(gate, up, size, gate, SiluMulLanes());
}

// The largest number, -infinity if there is none.
float LargestSimd(const float* x, size_t size) {
  const F32Tag d;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  VF32 largest = hn::Set(d, kLowest);
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const VF32 v = hn::LoadU(d, x + i);
    largest = hn::IfThenElse(hn::Gt(v, largest), v, largest);  // false for NaN
  }
  alignas(64) float lanes[kLanes];
  hn::Store(largest, d, lanes);
  float result = kLowest;
  for (const float lane : lanes) result = lane > result ? lane : result;
  for (; i < size; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

// The first index of `value`, 0 if it is nowhere.
size_t FindSimd(const float* x, size_t size, float value) {
  const F32Tag d;
  const VF32 wanted = hn::Set(d, value);
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, x + i), wanted));
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  for (; i < size; ++i) {
    if (x[i] == value) return i;
  }
  return 0;
}

uint32_t ArgMaxSimd(const float* x, size_t size) {
  return static_cast<uint32_t>(FindSimd(x, size, LargestSimd(x, size)));
}

bool AllFiniteSimd(const float* x, size_t size) {
  uint32_t bad = 0;
  for (size_t i = 0; i < size; ++i) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof(bits));
    bad |= (bits & 0x7F800000) == 0x7F800000;
  }
  return bad == 0;
}

void RopeSimd(float* head, const float* cos_sin, size_t pairs, bool adjacent) {
  const size_t step = adjacent ? 2 : 1;
  const size_t distance = adjacent ? 1 : pairs;
  for (size_t i = 0; i < pairs; ++i) {
    const float cosine = cos_sin[2 * i], sine = cos_sin[2 * i + 1];
    const float a = head[i * step], b = head[i * step + distance];
    head[i * step] = a * cosine - b * sine;
    head[i * step + distance] = a * sine + b * cosine;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(AddIntoSimd);
HWY_EXPORT(RmsNormSimd);
HWY_EXPORT(SiluMulSimd);
HWY_EXPORT(RopeSimd);
HWY_EXPORT(ArgMaxSimd);
HWY_EXPORT(AllFiniteSimd);

void AddInto(std::span<const float> x, std::span<float> sum) {
  HWY_DYNAMIC_DISPATCH(AddIntoSimd)(x.data(), x.size(), sum.data());
}

void RmsNorm(std::span<const float> x, std::span<const float> weight, float epsilon,
             std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(RmsNormSimd)(x.data(), weight.data(), x.size(), epsilon, out.data());
}

void SiluMul(std::span<float> gate, std::span<const float> up) {
  HWY_DYNAMIC_DISPATCH(SiluMulSimd)(gate.data(), up.data(), gate.size());
}

void Rope(std::span<float> head, std::span<const float> cos_sin, bool adjacent) {
  HWY_DYNAMIC_DISPATCH(RopeSimd)(head.data(), cos_sin.data(), cos_sin.size() / 2, adjacent);
}

uint32_t ArgMax(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(ArgMaxSimd)(x.data(), x.size());
}

bool AllFinite(std::span<const float> x) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteSimd)(x.data(), x.size());
}

}  // namespace tinyai
#endif
