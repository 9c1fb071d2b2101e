#include "run/timeline.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;
constexpr auto kLong = std::chrono::hours(1);

TEST(Timeline, WaitingForWhatHasPassedReturnsAtOnce) {
  Timeline timeline;
  EXPECT_TRUE(timeline.WaitFor(0, milliseconds(0)));
  timeline.Advance(5);
  EXPECT_EQ(timeline.value(), 5u);
  EXPECT_TRUE(timeline.WaitFor(5, milliseconds(0)));
  EXPECT_FALSE(timeline.WaitFor(6, milliseconds(1)));
}

TEST(Timeline, TimesOutNotEarlyAndNotMuchLater) {
  const Timeline timeline;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(timeline.WaitFor(1, milliseconds(30)));
  const auto waited = std::chrono::steady_clock::now() - start;
  EXPECT_GE(waited, milliseconds(30));
  EXPECT_LT(waited, milliseconds(1'000));
}

// The data is a plain number: the thread sanitizer finds it if the value orders nothing.
TEST(Timeline, ShowsWhatTheOwnerDidBefore) {
  Timeline forth, back;
  uint64_t data = 0;
  constexpr uint64_t kRounds = 2'000;
  std::thread other([&] {
    for (uint64_t i = 1; i <= kRounds; ++i) {
      ASSERT_TRUE(forth.WaitFor(i, kLong));
      EXPECT_EQ(data, i);
      back.Advance(i);
    }
  });
  for (uint64_t i = 1; i <= kRounds; ++i) {
    data = i;
    forth.Advance(i);
    ASSERT_TRUE(back.WaitFor(i, kLong));
  }
  other.join();
}

TEST(Timeline, WakesEveryWaiterAtItsOwnTarget) {
  Timeline timeline;
  std::vector<std::thread> threads;
  for (uint64_t target = 1; target <= 4; ++target) {
    threads.emplace_back([&timeline, target] {
      EXPECT_TRUE(timeline.WaitFor(target * 10, kLong));
      EXPECT_GE(timeline.value(), target * 10);
    });
  }
  for (uint64_t value = 1; value <= 40; ++value) {
    timeline.Advance(value);
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Timeline, StopEndsWaitsPresentAndLater) {
  Timeline timeline;
  std::thread other([&] { EXPECT_FALSE(timeline.WaitFor(1, kLong)); });
  std::this_thread::sleep_for(milliseconds(10));
  timeline.Stop();
  other.join();
  EXPECT_TRUE(timeline.stopped());
  EXPECT_FALSE(timeline.WaitFor(1, kLong));
  EXPECT_TRUE(timeline.WaitFor(0, kLong));
}

}  // namespace
}  // namespace tinyai
