#include "base/units.h"

#include <clocale>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(Units, SizesAreReadInPowersOf1024) {
  const std::pair<const char*, uint64_t> sizes[] = {
      {"0", 0},
      {"1", 1},
      {"17b", 17},
      {"1024", 1024},
      {"1K", kKiB},
      {"1kb", kKiB},
      {"3 KiB", 3 * kKiB},
      {"512M", 512 * kMiB},
      {"512mib", 512 * kMiB},
      {"2G", 2 * kGiB},
      {"2g", 2 * kGiB},
      {"1.5GiB", 3 * kGiB / 2},
      {"0.5k", 512},
      {"1T", 1024 * kGiB},
      {"1.25", 1},
      {"18446744073709551615", ~uint64_t{0}},
      {"16777215T", uint64_t{16777215} << 40},
  };
  for (const auto& [text, bytes] : sizes) {
    const auto size = ParseByteSize(text);
    ASSERT_TRUE(size) << text;
    EXPECT_EQ(*size, bytes) << text;
  }
}

TEST(Units, EverythingElseIsRefused) {
  for (const char* text : {"",
                           " ",
                           "-1",
                           "+1",
                           "-1G",
                           "5%",
                           "abc",
                           "G",
                           "1X",
                           "1GG",
                           "1Gi",
                           "1GiBs",
                           "1bb",
                           "1,5G",
                           "0x10",
                           "1e9",
                           "nan",
                           "inf",
                           "1.5.5G",
                           ".5G",
                           "1G ",
                           "1\nG",
                           "18446744073709551616",
                           "16777216T",
                           "99999999999999999999G",
                           "1e400"}) {
    const auto size = ParseByteSize(text);
    ASSERT_FALSE(size) << text << " gave " << *size;
    EXPECT_EQ(size.error().key, "BAD_SIZE");
    EXPECT_EQ(size.error().code, ErrorCode::kUsage);
  }
}

TEST(Units, ALocaleWithDecimalCommasChangesNothing) {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  std::setlocale(LC_ALL, "de_DE.UTF-8");  // where it is installed
  EXPECT_EQ(ParseByteSize("1.5K"), 1536u);
  EXPECT_EQ(FormatByteSize(1536), "1.50 KiB");
  std::setlocale(LC_ALL, before.c_str());
}

TEST(Units, SizesAreShownWithThreeDigits) {
  const std::pair<uint64_t, const char*> sizes[] = {
      {0, "0 B"},
      {17, "17 B"},
      {999, "999 B"},
      {kKiB, "1.00 KiB"},
      {512 * kMiB, "512 MiB"},
      {4'230'196'224, "3.94 GiB"},
      {99 * kMiB, "99.0 MiB"},
      {1023 * kMiB, "1.00 GiB"},
      {~uint64_t{0}, "16.0 EiB"},
  };
  for (const auto& [bytes, text] : sizes) EXPECT_EQ(FormatByteSize(bytes), text);
}

TEST(Units, WhatIsShownIsReadBackWithinItsPrecision) {
  for (uint64_t bytes = 1; bytes < uint64_t{1} << 45; bytes += bytes / 3 + 1) {
    const auto back = ParseByteSize(FormatByteSize(bytes));
    ASSERT_TRUE(back) << FormatByteSize(bytes);
    const double ratio = static_cast<double>(*back) / static_cast<double>(bytes);
    EXPECT_NEAR(ratio, 1, 0.006) << FormatByteSize(bytes);  // half of the third digit
  }
}

}  // namespace
}  // namespace tinyai
