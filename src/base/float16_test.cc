#include "base/float16.h"

#include <cmath>
#include <limits>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// The value of a half by the definition of IEEE 754, for finite ones.
double ValueOf(uint16_t half) {
  const double sign = (half & 0x8000) != 0 ? -1 : 1;
  const int exponent = half >> 10 & 31;
  const double fraction = half & 1023;
  if (exponent == 0) return sign * fraction * std::pow(2.0, -24);
  return sign * (1024 + fraction) * std::pow(2.0, exponent - 25);
}

bool IsFinite(uint16_t half) { return (half & 0x7C00) != 0x7C00; }
bool IsNan(uint16_t half) { return !IsFinite(half) && (half & 0x3FF) != 0; }

TEST(Float16, ConvertsEveryHalfExactly) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const float value = F16ToFloat(half);
    if (IsFinite(half)) {
      ASSERT_EQ(static_cast<double>(value), ValueOf(half)) << bits;
      ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
    } else if (IsNan(half)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
    } else {
      ASSERT_EQ(value, (half & 0x8000) != 0 ? -INFINITY : INFINITY) << bits;
    }
  }
}

TEST(Float16, GivesEveryHalfBack) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    const uint16_t back = FloatToF16(F16ToFloat(half));
    if (IsNan(half)) {
      ASSERT_TRUE(IsNan(back)) << bits;
    } else {
      ASSERT_EQ(back, half) << bits;
    }
  }
}

// Rounding is right if it is right at the middle between neighbours, and one float to each side.
TEST(Float16, RoundsToTheNearestAndTiesToEven) {
  for (uint16_t half = 0; half < 0x7BFF; ++half) {
    const uint16_t next = static_cast<uint16_t>(half + 1);
    const float middle = static_cast<float>((ValueOf(half) + ValueOf(next)) / 2);  // exact
    const uint16_t even = half % 2 == 0 ? half : next;
    ASSERT_EQ(FloatToF16(middle), even) << half;
    ASSERT_EQ(FloatToF16(std::nextafterf(middle, 0.0f)), half) << half;
    ASSERT_EQ(FloatToF16(std::nextafterf(middle, INFINITY)), next) << half;
    ASSERT_EQ(FloatToF16(-middle), even | 0x8000) << half;
  }
}

TEST(Float16, OverflowsToInfinity) {
  EXPECT_EQ(FloatToF16(65504.0f), 0x7BFF);
  EXPECT_EQ(FloatToF16(std::nextafterf(65520.0f, 0.0f)), 0x7BFF);
  EXPECT_EQ(FloatToF16(65520.0f), 0x7C00);
  EXPECT_EQ(FloatToF16(-1e30f), 0xFC00);
  EXPECT_EQ(FloatToF16(INFINITY), 0x7C00);
  EXPECT_TRUE(IsNan(FloatToF16(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(IsNan(FloatToF16(-std::numeric_limits<float>::signaling_NaN())));
  EXPECT_EQ(FloatToF16(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bfloat16, IsTheUpperHalfOfAFloat) {
  for (const float value : {0.0f, -0.0f, 1.0f, -1.5f, 3.140625f, 0x1p-130f, INFINITY}) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    ASSERT_EQ(bits & 0xFFFF, 0u) << value;
    EXPECT_EQ(std::bit_cast<uint32_t>(Bf16ToFloat(static_cast<uint16_t>(bits >> 16))), bits);
  }
}

}  // namespace
}  // namespace tinyai
