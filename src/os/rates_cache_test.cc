#include "os/rates_cache.h"

#include "gtest/gtest.h"
#include "os/machine.h"
#include "os/testing.h"

namespace tinyai {
namespace {

constexpr Rates kRates = {.measured = true,
                          .memory_bytes_per_second = 2.05e10,
                          .disk_bytes_per_second = 3'412'345'678.9,
                          .product_bytes_per_second = 1.75e10,
                          .meeting_seconds = 1.25e-5,
                          .compute_macs_per_second = 1.0 / 3 * 1e11,
                          .request_seconds = 8.5e-5,
                          .spill_bytes_per_second = 2.5e8,
                          .fetch_bytes_per_second = 7.5e8};

TEST(RatesCache, GivesBackExactlyWhatWasSaved) {
  const ScratchDirectory scratch;
  const auto cache = *CacheDirectory::OpenAt((scratch.path() / "tinyai").string());
  EXPECT_FALSE(LoadRates(cache, "cpu"));
  ASSERT_TRUE(SaveRates(cache, "cpu", kRates));
  const std::optional<Rates> loaded = LoadRates(cache, "cpu");
  ASSERT_TRUE(loaded);
  EXPECT_EQ(*loaded, kRates);
  EXPECT_FALSE(LoadRates(cache, "another cpu"));
}

TEST(RatesCache, IgnoresEveryPrefixOfItsText) {
  const std::string text = FormatRates("cpu", kRates);
  EXPECT_TRUE(ParseRates(text, "cpu"));
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ParseRates(text.substr(0, size), "cpu")) << size;
  }
}

TEST(RatesCache, IgnoresRatesThatCannotBe) {
  for (const double rate : {0.0, -1.0, 1e300, std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN()}) {
    Rates rates = kRates;
    rates.disk_bytes_per_second = rate;
    EXPECT_FALSE(ParseRates(FormatRates("cpu", rates), "cpu")) << rate;
  }
}

TEST(RatesCache, TheMeetingOfThreadsMayTakeNoTimeThatCanBeMeasured) {
  Rates rates = kRates;
  rates.meeting_seconds = 0;
  const std::optional<Rates> parsed = ParseRates(FormatRates("cpu", rates), "cpu");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->meeting_seconds, 0);
  rates.meeting_seconds = -1e-6;
  EXPECT_FALSE(ParseRates(FormatRates("cpu", rates), "cpu"));
}

TEST(RatesCache, IgnoresGarbage) {
  const std::string text = FormatRates("cpu", kRates);
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char byte : {'\0', '\n', 'x', '\xff'}) {
      std::string damaged = text;
      damaged[i] = byte;
      EXPECT_EQ(ParseRates(damaged, "cpu").has_value(), damaged == text) << i;
    }
  }
}

TEST(RatesCache, NamesThisMachine) {
  const std::string name = ProbeMachine().name;
  EXPECT_EQ(name, ProbeMachine().name);
  EXPECT_EQ(name.find('\n'), std::string::npos);
  EXPECT_TRUE(ParseRates(FormatRates(name, kRates), name));
}

}  // namespace
}  // namespace tinyai
