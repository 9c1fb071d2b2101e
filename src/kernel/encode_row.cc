#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "kernel/attention.h"

namespace tinyai {
namespace {

constexpr uint64_t kBlock = 32;
constexpr float kLargestF16 = 65504.0f;

void EncodeF16(const float* x, uint64_t size, std::byte* out) {
  for (uint64_t i = 0; i < size; ++i) {
    const uint16_t half = FloatToF16(x[i]);
    std::memcpy(out + i * sizeof(half), &half, sizeof(half));
  }
}

// f16 scale, 32 signed bytes. Codes are chosen for the scale as stored, not as computed.
void EncodeQ8_0Block(const float* x, std::byte* out) {
  float largest = 0.0f;
  bool numbers = true;
  for (uint64_t i = 0; i < kBlock; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
    numbers &= !std::isnan(x[i]);
  }
  const uint16_t half =
      FloatToF16(numbers ? std::min(largest / 127.0f, kLargestF16) : std::nanf(""));
  const float scale = F16ToFloat(half);
  const float inverse = scale > 0.0f ? 1.0f / scale : 0.0f;
  std::memcpy(out, &half, sizeof(half));
  for (uint64_t i = 0; i < kBlock; ++i) {
    // Written so that a NaN becomes a code too.
    const float code = std::max(-127.0f, std::min(127.0f, std::nearbyint(x[i] * inverse)));
    out[sizeof(half) + i] = static_cast<std::byte>(static_cast<int8_t>(code));
  }
}

}  // namespace

void EncodeRow(const float* x, uint64_t size, DType type, std::byte* out) {
  switch (type) {
    case DType::kF16:
      return EncodeF16(x, size, out);
    case DType::kQ8_0:
      for (uint64_t b = 0; b < size / kBlock; ++b) {
        EncodeQ8_0Block(x + b * kBlock, out + b * (2 + kBlock));
      }
      return;
    default:  // F32
      std::memcpy(out, x, size * sizeof(float));
  }
}

}  // namespace tinyai
