#include "engine/measure_compute.h"

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(MeasureCompute, FindsARateThatAMachineCanHaveAndGivesItsMemoryBack) {
  Budget budget("test", Budget::kUnlimited);
  const Result<double> rate = MeasureComputeRate(budget, {0}, std::chrono::milliseconds(20));
  ASSERT_TRUE(rate);
  EXPECT_GT(*rate, 1e6);
  EXPECT_LT(*rate, 1e13);
  EXPECT_GT(budget.peak_bytes(), 0u);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(MeasureCompute, FindsTheRateOfProductsFromMemory) {
  Budget budget("test", Budget::kUnlimited);
  const Result<ProductRate> rate =
      MeasureProductRate(budget, {0}, 8 << 20, std::chrono::milliseconds(20));
  ASSERT_TRUE(rate);
  EXPECT_GT(rate->bytes_per_second, 1e6);
  EXPECT_LT(rate->bytes_per_second, 1e13);
  EXPECT_GE(rate->meeting_seconds, 0);
  EXPECT_LT(rate->meeting_seconds, 1);
  EXPECT_GT(budget.peak_bytes(), uint64_t{7} << 20);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(MeasureCompute, StaysWithinItsBudget) {
  Budget budget("test", 1000);
  const Result<double> rate = MeasureComputeRate(budget, {0}, std::chrono::milliseconds(20));
  ASSERT_FALSE(rate);
  EXPECT_EQ(rate.error().key, "BUDGET_EXCEEDED");
}

}  // namespace
}  // namespace tinyai
