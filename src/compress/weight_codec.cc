#include "compress/weight_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/float16.h"
#include "fmt/format.h"
#include "kernel/attention.h"

namespace tinyai {
namespace {

constexpr size_t kGroup = 32;
constexpr size_t kQ4GroupBytes = 2 + kGroup / 2;
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
  for (size_t i = 0; i < kGroup / 2; ++i) {
    const uint8_t low = code(x[i]), high = code(x[i + kGroup / 2]);
    out[sizeof(half) + i] = static_cast<std::byte>(low | high << 4);
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
    default:
      return Fail(ErrorCode::kUnsupported, "PRECISION_UNSUPPORTED",
                  fmt::format("weights cannot be turned into {}", Name(type)));
  }
}

}  // namespace tinyai
