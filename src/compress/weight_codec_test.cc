#include "compress/weight_codec.h"

#include <cmath>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

std::vector<float> RoundTrip(DType type, const std::vector<float>& x) {
  std::vector<std::byte> bytes(RowBytes(type, x.size()));
  EXPECT_TRUE(EncodeWeights(type, x, bytes));
  std::vector<float> out(x.size());
  DecodeRow(type, bytes.data(), out);
  return out;
}

TEST(WeightCodec, EveryWeightIsWithinTheBoundOfItsGroup) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 1);
  for (const auto& [type, part] : {std::pair{DType::kQ8_0, 254.0f}, std::pair{DType::kQ4_0, 14.0f},
                                   std::pair{DType::kInt2, 3.0f}}) {
    for (int n = 0; n < 200; ++n) {
      std::vector<float> x(64);
      for (float& value : x) value = normal(random) * std::exp2f(static_cast<float>(n % 20 - 10));
      if (n % 3 == 0) x[static_cast<size_t>(n) % 64] = -x[0] * 8;
      const std::vector<float> y = RoundTrip(type, x);
      for (size_t i = 0; i < x.size(); ++i) {
        float largest = 0;
        for (size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) {
          largest = std::max(largest, std::fabs(x[j]));
        }
        EXPECT_LE(std::fabs(y[i] - x[i]), largest / part + largest / 2048)
            << Name(type) << " " << i;
      }
    }
  }
}

TEST(WeightCodec, HalvesAreNearestSubnormalsIncluded) {
  std::vector<float> x;
  for (int i = 0; i < 32; ++i) x.push_back(std::ldexp(1.0f + static_cast<float>(i) / 37, -26 + i));
  const std::vector<float> half = RoundTrip(DType::kF16, x), brain = RoundTrip(DType::kBF16, x);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_LE(std::fabs(half[i] - x[i]), std::max(x[i] / 2048, std::ldexp(1.0f, -25)));
    EXPECT_LE(std::fabs(brain[i] - x[i]), x[i] / 256);
  }
}

TEST(WeightCodec, AGroupOfZerosStaysOne) {
  for (const DType type : {DType::kQ4_0, DType::kQ8_0, DType::kInt2, DType::kF16}) {
    EXPECT_EQ(RoundTrip(type, std::vector<float>(32)), std::vector<float>(32));
  }
}

TEST(WeightCodec, OtherTypesAreRefused) {
  std::vector<float> x(256);
  std::vector<std::byte> out(1024);
  const Status refused = EncodeWeights(DType::kQ4_K, x, out);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().key, "PRECISION_UNSUPPORTED");
}

}  // namespace
}  // namespace tinyai
