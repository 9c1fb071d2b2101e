#include "os/rates_cache.h"

#include "gtest/gtest.h"
#include "os/machine.h"
#include "os/testing.h"

namespace tinyai {
namespace {

constexpr Rates kTogether = {.measured = true,
                             .memory_bytes_per_second = 2.05e10,
                             .disk_bytes_per_second = 3'412'345'678.9,
                             .product_bytes_per_second = 1.75e10,
                             .meeting_seconds = 1.25e-5,
                             .compute_macs_per_second = 1.0 / 3 * 1e11,
                             .request_seconds = 8.5e-5,
                             .spill_bytes_per_second = 2.5e8,
                             .fetch_bytes_per_second = 7.5e8};
constexpr Rates Alone() {
  Rates rates = kTogether;
  rates.memory_bytes_per_second = 1.5e10;
  rates.product_bytes_per_second = 4e9;
  rates.meeting_seconds = 0;
  rates.compute_macs_per_second = 1e10;
  return rates;
}
constexpr MachineRates kRates = {.threads = 4, .together = kTogether, .alone = Alone()};

TEST(RatesCache, GivesBackExactlyWhatWasSaved) {
  const ScratchDirectory scratch;
  const auto cache = *CacheDirectory::OpenAt((scratch.path() / "tinyai").string());
  EXPECT_FALSE(LoadRates(cache, "cpu"));
  ASSERT_TRUE(SaveRates(cache, "cpu", kRates));
  const std::optional<MachineRates> loaded = LoadRates(cache, "cpu");
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
    MachineRates rates = kRates;
    rates.together.disk_bytes_per_second = rate;
    EXPECT_FALSE(ParseRates(FormatRates("cpu", rates), "cpu")) << rate;
    rates = kRates;
    rates.alone.product_bytes_per_second = rate;
    EXPECT_FALSE(ParseRates(FormatRates("cpu", rates), "cpu")) << rate;
  }
}

TEST(RatesCache, TheMeetingOfThreadsMayTakeNoTimeThatCanBeMeasured) {
  MachineRates rates = kRates;
  rates.together.meeting_seconds = 0;
  const std::optional<MachineRates> parsed = ParseRates(FormatRates("cpu", rates), "cpu");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->together.meeting_seconds, 0);
  rates.together.meeting_seconds = -1e-6;
  EXPECT_FALSE(ParseRates(FormatRates("cpu", rates), "cpu"));
}

TEST(MachineRates, FewerThreadsReachLess) {
  EXPECT_EQ(kRates.With(1), Alone());
  EXPECT_EQ(kRates.With(0), Alone());
  EXPECT_EQ(kRates.With(4), kTogether);
  EXPECT_EQ(kRates.With(9), kTogether);
  const Rates two = kRates.With(2);
  EXPECT_EQ(two.product_bytes_per_second, 8e9);
  EXPECT_EQ(two.memory_bytes_per_second, 2.05e10);  // two are enough for all there is
  EXPECT_EQ(two.disk_bytes_per_second, kTogether.disk_bytes_per_second);
  EXPECT_EQ(two.meeting_seconds, kTogether.meeting_seconds);
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
