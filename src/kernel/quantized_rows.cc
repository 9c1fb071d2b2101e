#include "kernel/quantized_rows.h"

#include "kernel/quantized_layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/quantized_rows.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/dot8-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

constexpr size_t kHalf = kQuantizedBlock / 2;

// The largest magnitude, or a NaN if there is one: magnitudes compare like their bits, NaN on top.
HWY_INLINE float LargestMagnitude(const float* x) {
  const hn::CappedTag<float, kHalf> df;
  const hn::RebindToSigned<decltype(df)> di;
  auto largest = hn::Zero(di);
  for (size_t i = 0; i < kQuantizedBlock; i += hn::Lanes(df)) {
    largest = hn::Max(largest, hn::BitCast(di, hn::Abs(hn::LoadU(df, x + i))));
  }
  return hn::GetLane(hn::BitCast(df, hn::MaxOfLanes(di, largest)));
}

// Codes of 16 elements; returns their sum.
HWY_INLINE int32_t QuantizeHalf(const float* x, float inverse, int8_t* codes) {
  const hn::CappedTag<float, kHalf> df;
  const hn::RebindToSigned<decltype(df)> di;
  const hn::Rebind<int8_t, decltype(df)> d8;
  const auto factor = hn::Set(df, inverse);
  auto sum = hn::Zero(di);
  for (size_t i = 0; i < kHalf; i += hn::Lanes(df)) {
    const auto exact = hn::Mul(hn::LoadU(df, x + i), factor);
    const auto limit = hn::Set(di, 127);  // also where x is not a number
    const auto code = hn::Max(hn::Min(hn::NearestInt(exact), limit), hn::Neg(limit));
    sum = hn::Add(sum, code);
    hn::StoreU(hn::DemoteTo(d8, code), d8, codes + i);
  }
  return hn::GetLane(hn::SumOfLanes(di, sum));
}

void QuantizeRowSimd(const float* x, size_t size, std::byte* row) {
  const QuantizedLayout layout(size);
  auto* codes = reinterpret_cast<int8_t*>(row);
  auto* scale = reinterpret_cast<float*>(row + layout.scale);
  auto* scaled_sum = reinterpret_cast<float*>(row + layout.scaled_sum);
  auto* sum = reinterpret_cast<int32_t*>(row + layout.sum);
  auto* half_sum = reinterpret_cast<int32_t*>(row + layout.half_sum);
  for (size_t b = 0; b < size / kQuantizedBlock; ++b) {
    const float* block = x + b * kQuantizedBlock;
    const float largest = LargestMagnitude(block);
    // Below this the inverse could overflow; such a block is zero for every purpose.
    const bool zero = largest < 0x1p-100f;
    const float inverse = zero ? 0.0f : 127.0f / largest;
    const int32_t first = QuantizeHalf(block, inverse, codes + b * kQuantizedBlock);
    const int32_t second =
        QuantizeHalf(block + kHalf, inverse, codes + b * kQuantizedBlock + kHalf);
    scale[b] = zero ? 0.0f : largest / 127.0f;
    scaled_sum[b] = scale[b] * static_cast<float>(first + second);
    sum[b] = -8 * (first + second);
    half_sum[2 * b] = -8 * first;
    half_sum[2 * b + 1] = -8 * second;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(QuantizeRowSimd);

uint64_t QuantizedRowBytes(uint64_t cols) { return QuantizedLayout(cols).row_bytes; }

void QuantizeRow(std::span<const float> x, std::byte* row) {
  HWY_DYNAMIC_DISPATCH(QuantizeRowSimd)(x.data(), x.size(), row);
}

}  // namespace tinyai
#endif
