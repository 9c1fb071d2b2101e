#include "base/checked.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr uint64_t kMost = ~uint64_t{0};

TEST(Checked, GivesNothingWhereAResultDoesNotFit) {
  EXPECT_EQ(CheckedMul(1u << 31, 1u << 31), uint64_t{1} << 62);
  EXPECT_EQ(CheckedMul(kMost, 1), kMost);
  EXPECT_EQ(CheckedMul(kMost, 0), 0u);
  EXPECT_EQ(CheckedMul(kMost, 2), std::nullopt);
  EXPECT_EQ(CheckedMul(uint64_t{1} << 32, uint64_t{1} << 32), std::nullopt);
  EXPECT_EQ(CheckedAdd(kMost - 1, 1), kMost);
  EXPECT_EQ(CheckedAdd(kMost, 1), std::nullopt);
  EXPECT_EQ(CheckedRoundUp(kMost - 4095, 4096), kMost - 4095);
  EXPECT_EQ(CheckedRoundUp(kMost - 4094, 4096), std::nullopt);
}

TEST(Checked, RoundsToMultiples) {
  for (uint64_t value = 0; value < 100; ++value) {
    uint64_t up = value;
    while (up % 16 != 0) ++up;
    EXPECT_EQ(RoundUp(value, 16), up);
    EXPECT_EQ(CheckedRoundUp(value, 16), up);
    EXPECT_EQ(RoundDown(value, 16), value % 16 == 0 ? value : up - 16);
    EXPECT_EQ(CeilDiv(value, 16), up / 16);
  }
  EXPECT_EQ(CeilDiv(kMost, 2), uint64_t{1} << 63);
}

TEST(Checked, KnowsPowersOfTwo) {
  for (int bit = 0; bit < 64; ++bit) {
    EXPECT_TRUE(IsPowerOfTwo(uint64_t{1} << bit));
    EXPECT_EQ(IsPowerOfTwo((uint64_t{1} << bit) - 1), bit == 1) << bit;
  }
  EXPECT_FALSE(IsPowerOfTwo(0));
}

}  // namespace
}  // namespace tinyai
