#include "run/barrier.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// Plain numbers: the thread sanitizer finds it if a barrier orders nothing.
TEST(Barrier, ShowsEachWorkerWhatAllDidBefore) {
  for (const uint32_t workers : {1u, 2u, 3u, 5u}) {
    Barrier barrier(workers);
    std::vector<int> counts(workers, 0);
    std::vector<int> wrong(workers, 0);
    std::vector<std::thread> threads;
    constexpr int kRounds = 300;
    for (uint32_t i = 0; i < workers; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 1; round <= kRounds; ++round) {
          ++counts[i];
          if (!barrier.Wait()) return;
          for (const int count : counts) wrong[i] += count != round;
          if (!barrier.Wait()) return;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(counts, std::vector<int>(workers, kRounds));
    EXPECT_EQ(wrong, std::vector<int>(workers, 0));
  }
}

TEST(Barrier, StopReleasesSleepersAndAllWhoComeLater) {
  Barrier barrier(3);
  std::vector<std::thread> threads;
  std::vector<int> released(2, 0);
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] { released[static_cast<size_t>(i)] = !barrier.Wait(); });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // they sleep by now
  barrier.Stop();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(released, std::vector<int>(2, 1));
  EXPECT_FALSE(barrier.Wait());
  EXPECT_FALSE(barrier.Wait());
  EXPECT_FALSE(barrier.Wait());
}

}  // namespace
}  // namespace tinyai
