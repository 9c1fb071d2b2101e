#include "os/futex.h"

#include <thread>

#include "gtest/gtest.h"
#include "os/clock.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Futex, ReturnsAtOnceWhereTheWordDiffers) {
  const std::atomic<uint32_t> word = 5;
  EXPECT_TRUE(WaitWhileEqual(word, 4, milliseconds(0)));
}

TEST(Futex, GivesUpAfterItsTime) {
  const std::atomic<uint32_t> word = 5;
  const int64_t start = MonotonicNs();
  EXPECT_FALSE(WaitWhileEqual(word, 5, milliseconds(20)));
  EXPECT_GE(MonotonicNs() - start, 20'000'000);
}

TEST(Futex, HandsATurnBackAndForth) {
  std::atomic<uint32_t> turn = 0;
  uint64_t shared = 0;  // a race for the thread sanitizer to find if the waits order nothing
  constexpr uint32_t kTurns = 2000;
  const auto play = [&](uint32_t parity) {
    for (uint32_t i = parity; i < kTurns; i += 2) {
      for (uint32_t now; (now = turn.load(std::memory_order_acquire)) != i;) {
        ASSERT_TRUE(WaitWhileEqual(turn, now, seconds(20)));
      }
      ++shared;
      turn.store(i + 1, std::memory_order_release);
      WakeAll(turn);
    }
  };
  std::thread other([&] { play(1); });
  play(0);
  other.join();
  EXPECT_EQ(shared, kTurns);
}

TEST(Futex, WakesEveryWaiter) {
  std::atomic<uint32_t> word = 0;
  std::atomic<int> woken = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] { woken += WaitWhileEqual(word, 0, seconds(20)) ? 1 : 0; });
  }
  std::this_thread::sleep_for(milliseconds(5));
  word.store(1, std::memory_order_release);
  WakeAll(word);
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(woken, 4);
}

}  // namespace
}  // namespace tinyai
