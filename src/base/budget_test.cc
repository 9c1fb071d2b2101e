#include "base/budget.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

TEST(Budget, CountsWhatIsHeldAndTheMostThatWas) {
  Budget budget("process", 100);
  ASSERT_TRUE(budget.Take(60, "a"));
  ASSERT_TRUE(budget.Take(40, "b"));
  budget.Give(60);
  ASSERT_TRUE(budget.Take(10, "c"));
  EXPECT_EQ(budget.used_bytes(), 50u);
  EXPECT_EQ(budget.peak_bytes(), 100u);
}

TEST(Budget, RefusesTheByteTooManyAndNamesEverything) {
  Budget budget("process", 100);
  ASSERT_TRUE(budget.Take(100, "weights"));
  const Status status = budget.Take(1, "KV cache");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(status.error().key, "BUDGET_EXCEEDED");
  EXPECT_NE(status.error().message.find("KV cache"), std::string::npos);
  EXPECT_NE(status.error().message.find("process"), std::string::npos);
  EXPECT_EQ(budget.used_bytes(), 100u);
  EXPECT_EQ(budget.peak_bytes(), 100u);
}

TEST(Budget, DoesNotWrapNearTheLargestNumber) {
  Budget limited("limited", 100);
  ASSERT_TRUE(limited.Take(50, "a"));
  EXPECT_FALSE(limited.Take(~uint64_t{0}, "b"));
  EXPECT_FALSE(limited.Take(~uint64_t{0} - 49, "b"));
  Budget unlimited("unlimited", Budget::kUnlimited);
  ASSERT_TRUE(unlimited.Take(~uint64_t{0} - 1, "a"));
  EXPECT_FALSE(unlimited.Take(2, "b"));
  EXPECT_TRUE(unlimited.Take(1, "b"));
}

TEST(Budget, TakesFromEveryBudgetAboveOrFromNone) {
  Budget process("process", 100);
  Budget model("model", 80, &process);
  Budget session("session", 1000, &model);
  ASSERT_TRUE(session.Take(70, "a"));
  EXPECT_EQ(process.used_bytes(), 70u);
  EXPECT_FALSE(session.Take(20, "b")) << "the model's is full";
  EXPECT_EQ(session.used_bytes(), 70u);
  EXPECT_EQ(model.used_bytes(), 70u);
  EXPECT_EQ(process.used_bytes(), 70u);
  session.Give(70);
  EXPECT_EQ(process.used_bytes(), 0u);
}

TEST(Budget, HoldsWhenManyThreadsTakeAndGive) {
  Budget process("process", 5000);
  Budget sessions[] = {{"first", 4000, &process}, {"second", 4000, &process}};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 20'000; ++k) {
        const uint64_t bytes = static_cast<uint64_t>(1 + (k * 7 + i) % 3000);
        if (sessions[i % 2].Take(bytes, "x")) sessions[i % 2].Give(bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(process.used_bytes(), 0u);
  EXPECT_LE(process.peak_bytes(), 5000u);
  EXPECT_GT(process.peak_bytes(), 0u);
  EXPECT_LE(sessions[0].peak_bytes(), 4000u);
}

TEST(Charge, IsGivenBackOnceByWhoeverOwnsItLast) {
  Budget budget("process", 100);
  {
    Charge outer;
    {
      Charge inner = *Charge::Take(budget, 30, "a");
      EXPECT_EQ(inner.bytes(), 30u);
      outer = std::move(inner);
    }
    EXPECT_EQ(budget.used_bytes(), 30u);
    Charge last = std::move(outer);
    EXPECT_EQ(budget.used_bytes(), 30u);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_FALSE(Charge::Take(budget, 101, "b"));
}

TEST(Charge, StaysTakenWhenKept) {
  Budget budget("process", 100);
  {
    Charge charge = *Charge::Take(budget, 30, "a");
    charge.Keep();
  }
  EXPECT_EQ(budget.used_bytes(), 30u);
}

}  // namespace
}  // namespace tinyai
