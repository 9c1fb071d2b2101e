#include <limits>

#include "kernel/attention.h"
#include "kernel/testing.h"

namespace tinyai {
namespace {

std::vector<float> ThereAndBack(const std::vector<float>& x, DType type) {
  std::vector<std::byte> row(RowBytes(type, x.size()));
  EncodeRow(x.data(), x.size(), type, row.data());
  std::vector<float> back(x.size());
  DecodeRow(type, row.data(), back);
  return back;
}

TEST(EncodeRow, F32IsACopy) {
  const std::vector<float> x = RandomFloats(77, 1);
  EXPECT_EQ(ThereAndBack(x, DType::kF32), x);
}

TEST(EncodeRow, F16IsTheNearest) {
  const std::vector<float> x = RandomFloats(1000, 2);
  const std::vector<float> back = ThereAndBack(x, DType::kF16);
  // Half a unit of an 11-bit significand; below 2^-14 of the smallest step.
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(std::fabs(back[i] - x[i]), std::max(std::fabs(x[i]) * 0x1p-11f, 0x1p-25f)) << i;
  }
}

TEST(EncodeRow, Q8IsWithinHalfAStepOfTheBlocksScale) {
  const std::vector<float> x = RandomFloats(320, 3);
  const std::vector<float> back = ThereAndBack(x, DType::kQ8_0);
  for (size_t b = 0; b < 10; ++b) {
    float largest = 0;
    for (size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(x[32 * b + i]));
    // The scale itself is rounded to 11 bits, so the largest may be 127 x 2^-12 steps off as well.
    const double tolerance = largest / 127 * (0.5 + 127 * 0x1p-11);
    for (size_t i = 32 * b; i < 32 * b + 32; ++i) EXPECT_NEAR(back[i], x[i], tolerance) << i;
  }
}

TEST(EncodeRow, Q8TakesAnyFloat) {
  for (const float value : {0.0f, 1e-30f, 1e-8f, 1e30f, std::numeric_limits<float>::infinity()}) {
    for (const float v : ThereAndBack(std::vector<float>(32, -value), DType::kQ8_0)) {
      EXPECT_TRUE(std::isfinite(v)) << value;
      EXPECT_LE(v, 0.0f) << value;
    }
  }
  std::vector<float> x(32, 1.0f);
  x[7] = std::numeric_limits<float>::quiet_NaN();
  for (const float v : ThereAndBack(x, DType::kQ8_0)) EXPECT_TRUE(std::isnan(v));
}

}  // namespace
}  // namespace tinyai
