#include "compress/weight_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/float16.h"
#include "fmt/format.h"
#include "kernel/attention.h"
#include "kernel/packed_codes.h"

namespace tinyai {
namespace {

constexpr size_t kGroup = 32;
constexpr size_t kQ4GroupBytes = 2 + kGroup / 2;
constexpr size_t kInt2GroupBytes = 2 + kGroup / 4;
constexpr int kInt2Scales = 8;  // tried beside the largest
constexpr float kLargestF16 = 65504;

uint16_t NearestBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  const uint32_t half = 0x7FFF + (bits >> 16 & 1);  // to even
  return static_cast<uint16_t>((bits + half) >> 16);
}

// An F16 scale, then 32 codes from 0 to 15 that stand for (code - 8) times the scale: codes reach
// from -8 to 7, and the scale's sign puts the longer side where the largest weight is. With a scale
// of m / 7.5 no weight is farther than half a step from its code.
void EncodeQ4Group(const float* x, std::byte* out) {
  float largest = 0;
  for (size_t i = 0; i < kGroup; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  const uint16_t half = FloatToF16(std::clamp(largest / -7.5f, -kLargestF16, kLargestF16));
  const float scale = F16ToFloat(half);
  const float inverse = scale != 0 ? 1 / scale : 0;
  std::memcpy(out, &half, sizeof(half));
  const auto code = [&](float value) {
    const float step = std::nearbyint(value * inverse);
    // Written so that a NaN becomes a code too.
    return static_cast<uint8_t>(std::max(-8.0f, std::min(7.0f, step)) + 8);
  };
  for (size_t i = 0; i < kGroup; ++i) SetCode<4>(out + sizeof(half), i, code(x[i]));
}

// The code from -2 to 1 whose product with the scale is nearest; of a NaN some code too.
float NearestInt2(float value, float inverse) {
  return std::max(-2.0f, std::min(1.0f, std::nearbyint(value * inverse)));
}

// The scale, as stored, of a group of INT2. Its sign puts the longer side of the codes where the
// largest weight, of size m, is. With a scale of 2 m / 3 no weight is farther than m / 3 from its
// code, nor with any from m / 3 on that keeps the largest of the other side, which is one step
// away, as near: of some of these the one with the least sum of squared errors.
uint16_t ScaleOfInt2(const float* x) {
  float largest = 0, other = 0;
  for (size_t i = 0; i < kGroup; ++i) {
    if (std::fabs(x[i]) > std::fabs(largest)) largest = x[i];
  }
  for (size_t i = 0; i < kGroup; ++i) other = std::max(other, largest < 0 ? x[i] : -x[i]);
  const float m = std::min(std::fabs(largest), 1.5f * kLargestF16);
  const float most = m / 1.5f, least = std::max(m / 3, std::min(other, m) - m / 3);
  uint16_t best = 0;
  float best_error = std::numeric_limits<float>::infinity();
  for (int i = 0; i <= kInt2Scales; ++i) {
    const float size = most - (most - least) * static_cast<float>(i) / kInt2Scales;
    const uint16_t half = FloatToF16(std::copysign(size, -largest));
    const float scale = F16ToFloat(half), inverse = scale != 0 ? 1 / scale : 0;
    float error = 0;
    for (size_t j = 0; j < kGroup; ++j) {
      const float off = x[j] - NearestInt2(x[j], inverse) * scale;
      error += off * off;
    }
    if (i != 0 && !(error < best_error)) continue;
    best = half;
    best_error = error;
  }
  return best;
}

// The scale, then 32 codes from 0 to 3 that stand for (code - 2) times the scale.
void EncodeInt2Group(const float* x, std::byte* out) {
  const uint16_t half = ScaleOfInt2(x);
  const float scale = F16ToFloat(half), inverse = scale != 0 ? 1 / scale : 0;
  std::memcpy(out, &half, sizeof(half));
  for (size_t i = 0; i < kGroup; ++i) {
    SetCode<2>(out + sizeof(half), i, static_cast<uint8_t>(NearestInt2(x[i], inverse) + 2));
  }
}

}  // namespace

Status EncodeWeights(DType type, std::span<const float> x, std::span<std::byte> out) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kQ8_0:
      EncodeRow(x.data(), x.size(), type, out.data());
      return {};
    case DType::kBF16:
      for (size_t i = 0; i < x.size(); ++i) {
        const uint16_t value = NearestBf16(x[i]);
        std::memcpy(out.data() + i * sizeof(value), &value, sizeof(value));
      }
      return {};
    case DType::kQ4_0:
      for (size_t i = 0; i < x.size() / kGroup; ++i) {
        EncodeQ4Group(x.data() + i * kGroup, out.data() + i * kQ4GroupBytes);
      }
      return {};
    case DType::kInt2:
      for (size_t i = 0; i < x.size() / kGroup; ++i) {
        EncodeInt2Group(x.data() + i * kGroup, out.data() + i * kInt2GroupBytes);
      }
      return {};
    default:
      return Fail(ErrorCode::kUnsupported, "PRECISION_UNSUPPORTED",
                  fmt::format("weights cannot be turned into {}", Name(type)));
  }
}

}  // namespace tinyai
