#include "engine/drift.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A pass that computes for 10 ms while it reads 20 MB in 20 ms.
Drift Expecting() {
  PlanReport report;
  report.predicted_tokens_per_second = 50;
  report.compute_seconds_per_token = 0.010;
  report.pass_bytes = 100'000'000;
  Drift drift;
  drift.Expect(report);
  return drift;
}

std::optional<Rates> After(uint32_t passes, const MeasuredPass& pass) {
  Drift drift = Expecting();
  for (uint32_t i = 0; i < passes; ++i) drift.Add(pass);
  return drift.Contradiction({});
}

TEST(Drift, SaysNothingOfWhatIsNearOrShort) {
  EXPECT_FALSE(After(Drift::kPasses, {0.020, 0.010, 20'000'000}));
  EXPECT_FALSE(After(Drift::kPasses, {0.059, 0.049, 20'000'000}));
  EXPECT_FALSE(After(Drift::kPasses, {0.007, 0, 20'000'000}));
  EXPECT_FALSE(After(Drift::kPasses - 1, {0.200, 0.190, 20'000'000}));
}

TEST(Drift, FindsADiskThatIsTenTimesSlower) {
  const std::optional<Rates> rates = After(Drift::kPasses, {0.200, 0.190, 20'000'000});
  ASSERT_TRUE(rates);
  EXPECT_TRUE(rates->measured);
  EXPECT_DOUBLE_EQ(rates->disk_bytes_per_second, 1e8);
  EXPECT_EQ(rates->product_bytes_per_second, Rates().product_bytes_per_second);
}

TEST(Drift, FindsCoresThatAreTenTimesSlower) {
  const std::optional<Rates> rates = After(Drift::kPasses, {0.100, 0, 20'000'000});
  ASSERT_TRUE(rates);
  EXPECT_EQ(rates->disk_bytes_per_second, Rates().disk_bytes_per_second);
  EXPECT_DOUBLE_EQ(rates->product_bytes_per_second, Rates().product_bytes_per_second / 10);
  EXPECT_DOUBLE_EQ(rates->compute_macs_per_second, Rates().compute_macs_per_second / 10);
}

TEST(Drift, FindsAMachineThatIsFaster) {
  const std::optional<Rates> rates = After(Drift::kPasses, {0.002, 0.001, 20'000'000});
  ASSERT_TRUE(rates);
  EXPECT_DOUBLE_EQ(rates->disk_bytes_per_second, 1e10);
  EXPECT_DOUBLE_EQ(rates->product_bytes_per_second, Rates().product_bytes_per_second * 10);
}

TEST(Drift, ForgetsPassesThatAgreed) {
  Drift drift = Expecting();
  for (uint32_t i = 0; i < Drift::kPasses; ++i) drift.Add({0.020, 0.010, 20'000'000});
  EXPECT_FALSE(drift.Contradiction({}));
  for (uint32_t i = 0; i < Drift::kPasses; ++i) drift.Add({0.200, 0.190, 20'000'000});
  EXPECT_TRUE(drift.Contradiction({}));
}

}  // namespace
}  // namespace tinyai
