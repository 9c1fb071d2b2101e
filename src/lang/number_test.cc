#include "lang/number.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(Number, IsSplitIntoDigitsAndUnit) {
  const auto split = [](std::string_view text) {
    const NumberParts parts = SplitNumber(text);
    return std::string(parts.digits) + "|" + std::string(parts.unit);
  };
  EXPECT_EQ(split("12"), "12|");
  EXPECT_EQ(split("4KiB"), "4|KiB");
  EXPECT_EQ(split("1.5e-3GB/s"), "1.5e-3|GB/s");
  EXPECT_EQ(split("0..7"), "0|..7");
  EXPECT_EQ(split("3.ffn"), "3|.ffn");
  EXPECT_EQ(split("1e"), "1|e");
}

TEST(Number, KnowsItsUnits) {
  for (const char* unit : {"", "B", "K", "KiB", "GB", "us", "ms", "GB/s", "GFLOP", "TFLOP/s"}) {
    EXPECT_TRUE(IsUnit(unit)) << unit;
  }
  for (const char* unit : {"e", "kib", "GBs", "us/s", "/s", "GB/", "GB/GB", "x"}) {
    EXPECT_FALSE(IsUnit(unit)) << unit;
  }
}

TEST(Number, GivesSizesInPowersOf1024) {
  EXPECT_EQ(ByteCount("90112"), 90112u);
  EXPECT_EQ(ByteCount("4KiB"), 4096u);
  EXPECT_EQ(ByteCount("1.5M"), 1572864u);
  EXPECT_EQ(ByteCount("18446744073709551615"), ~uint64_t{0});
  for (const char* text : {"18446744073709551616", "16777216TB", "10us", "1GB/s", "1e3", ""}) {
    EXPECT_EQ(ByteCount(text), std::nullopt) << text;
  }
  EXPECT_EQ(WholeNumber("12"), 12u);
  for (const char* text : {"1.5", "1K", "-1", "", "18446744073709551616"}) {
    EXPECT_EQ(WholeNumber(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace tinyai
