#include "run/executor.h"

#include <cmath>
#include <thread>

#include "gtest/gtest.h"
#include "run/run_test_support.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

const std::vector<int32_t> kPrompt = {1, 300, 17, 44, 5, 210, 99, 400, 7};
constexpr int kSteps = 3;  // tokens after the prompt

int32_t Best(const std::vector<float>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

// The logits after the prompt and after each of a few greedy tokens.
Result<std::vector<std::vector<float>>> Generate(TestRun& run) {
  std::vector<std::vector<float>> out;
  TRY_ASSIGN(out.emplace_back(), run.Feed(kPrompt));
  for (int i = 0; i < kSteps; ++i) {
    TRY_ASSIGN(out.emplace_back(), run.Feed({Best(out[out.size() - 1])}));
  }
  return out;
}

// One worker, one token at a time, everything resident, reads in order.
const std::vector<std::vector<float>>& Reference() {
  static const std::vector<std::vector<float>> logits = [] {
    TestRun run({.memory = Memory::kAll, .workers = 1, .chunk = 1}, {.depth = 1}, {.depth = 1});
    auto generated = Generate(run);
    EXPECT_TRUE(generated) << Describe(generated.error());
    return *generated;
  }();
  return logits;
}

TEST(Executor, TheReferenceIsAliveAndFinite) {
  for (const std::vector<float>& logits : Reference()) {
    ASSERT_EQ(logits.size(), 512u);
    for (const float logit : logits) EXPECT_TRUE(std::isfinite(logit));
  }
  EXPECT_NE(Reference()[0], Reference()[1]);
}

TEST(Executor, GivesTheSameBitsWithAnyMemoryWorkersChunkAndOrderOfReads) {
  uint64_t seed = 1;
  for (const Memory memory : {Memory::kLeast, Memory::kHalf, Memory::kAll}) {
    for (const uint32_t workers : {1u, 2u, 3u}) {
      for (const uint64_t chunk : {1u, 3u, 9u, 64u}) {
        for (const uint32_t depth : {1u, 4u}) {
          ++seed;
          TestRun run({memory, workers, chunk, seed % 2 == 0 ? 512u : 4096u},
                      {.depth = depth, .seed = seed}, {.depth = depth, .seed = seed});
          const auto logits = Generate(run);
          ASSERT_TRUE(logits) << Describe(logits.error());
          EXPECT_EQ(*logits, Reference()) << static_cast<int>(memory) << " workers " << workers
                                          << " chunk " << chunk << " depth " << depth;
        }
      }
    }
  }
}

TEST(Executor, GivesTheSameBitsWhenTheDiskIsSlow) {
  TestRun run({.memory = Memory::kLeast, .workers = 2, .chunk = 9},
              {.seed = 5, .delay = milliseconds(1)}, {.delay = milliseconds(1)});
  const auto logits = Generate(run);
  ASSERT_TRUE(logits) << Describe(logits.error());
  EXPECT_EQ(*logits, Reference());
  EXPECT_GT(run.executor->stats().stall, milliseconds(1));
}

TEST(Executor, PassesWithAndWithoutLogitsMayAlternate) {
  for (const Memory memory : {Memory::kLeast, Memory::kHalf, Memory::kAll}) {
    for (uint32_t pattern = 0; pattern < 32; ++pattern) {
      TestRun run({memory, 2, 1}, {.seed = pattern});
      for (size_t i = 0; i < kPrompt.size(); ++i) {
        const bool last = i + 1 == kPrompt.size();
        const bool wants = last || (pattern >> i % 5 & 1) != 0;
        const auto logits = run.executor->RunPass(
            {.tokens = std::span(kPrompt).subspan(i, 1), .position = i, .wants_logits = wants});
        ASSERT_TRUE(logits) << Describe(logits.error());
        EXPECT_EQ(logits->empty(), !wants);
        if (last) {
          EXPECT_EQ(std::vector(logits->begin(), logits->end()), Reference()[0]) << pattern;
        }
      }
    }
  }
}

TEST(Executor, ManyPassesKeepTheirOrder) {
  TestRun run({.memory = Memory::kHalf, .workers = 3, .chunk = 2}, {.depth = 2, .seed = 9});
  for (int round = 0; round < 30; ++round) {
    run.position = 0;
    const auto logits = run.Feed(kPrompt);
    ASSERT_TRUE(logits) << Describe(logits.error());
    ASSERT_EQ(*logits, Reference()[0]) << "round " << round;
  }
}

TEST(Executor, CountsTheBytesItAsksFor) {
  TestRun run({.memory = Memory::kHalf, .workers = 1, .chunk = 1});
  ASSERT_TRUE(Generate(run));
  const uint64_t passes = kPrompt.size() + kSteps;
  const ExecutorStats stats = run.executor->stats();
  EXPECT_EQ(stats.passes, passes);
  EXPECT_EQ(stats.once_bytes, run.plan.once_read_bytes);
  // The loader is at most one pass ahead; passes without logits leave the output out.
  EXPECT_LE(stats.streamed_bytes, run.plan.streamed_read_bytes * (passes + 1));
  EXPECT_GT(stats.streamed_bytes, 0u);
  EXPECT_TRUE(run.executor->resident_loaded());
  EXPECT_EQ(run.budget.used_bytes(), (run.plan.memory.arena_bytes + 4095) / 4096 * 4096);
  run.executor.reset();
  EXPECT_EQ(run.budget.used_bytes(), 0u);
}

// --- faults ---

Error DiskError() { return {ErrorCode::kIo, "IO_READ", "the disk is broken"}; }

uint64_t DiskReadsOfARun(const TestPlan& plan) {
  TestRun run(plan);
  EXPECT_TRUE(Generate(run));
  return run.disk->submitted();
}

TEST(Executor, EveryFailingReadEndsThePassAndEverythingJoins) {
  for (const Memory memory : {Memory::kLeast, Memory::kAll}) {
    const TestPlan plan{memory, 2, 9};
    const uint64_t reads = DiskReadsOfARun(plan);
    for (uint64_t k = 0; k < reads; ++k) {
      TestRun run(plan, {.seed = k, .failures = {{k, DiskError()}}});
      const auto logits = Generate(run);
      // The loader reads ahead, so the last reads may fail after all passes are done.
      if (logits) {
        EXPECT_EQ(*logits, Reference());
        EXPECT_GT(k + 1 + run.plan.queues[kDiskQueue].steps.size(), reads);
        continue;
      }
      EXPECT_EQ(logits.error().key, "IO_READ") << "read " << k;
      const auto again = run.Feed({1});
      ASSERT_FALSE(again);
      EXPECT_EQ(again.error().key, "IO_READ");
      run.executor.reset();
      EXPECT_EQ(run.budget.used_bytes(), 0u);
    }
  }
  TestRun next({Memory::kLeast, 2, 9});
  EXPECT_EQ(*Generate(next), Reference());
}

TEST(Executor, EveryFailingReadOfAnEmbeddingRowEndsThePass) {
  const TestPlan plan{Memory::kLeast, 3, 4};
  for (uint64_t k = 0; k < kPrompt.size() + kSteps; ++k) {
    TestRun run(plan, {}, {.seed = k, .failures = {{k, DiskError()}}});
    const auto logits = Generate(run);
    ASSERT_FALSE(logits) << "row " << k;
    EXPECT_EQ(logits.error().key, "IO_READ");
    EXPECT_EQ(run.Feed({1}).error().key, "IO_READ");
  }
}

TEST(Executor, AStuckReadTimesOut) {
  for (const bool row : {false, true}) {
    for (const uint64_t k : {0u, 3u, 7u}) {
      const Clock::time_point start = Clock::now();
      FakeReadQueueOptions stuck{.stuck = {k}};
      TestRun run({Memory::kLeast, 2, 4}, row ? FakeReadQueueOptions{} : stuck,
                  row ? stuck : FakeReadQueueOptions{}, milliseconds(50));
      const auto logits = Generate(run);
      ASSERT_FALSE(logits);
      EXPECT_EQ(logits.error().key, "IO_TIMEOUT");
      EXPECT_EQ(logits.error().code, ErrorCode::kCancelled);
      run.executor.reset();
      EXPECT_LT(Clock::now() - start, milliseconds(2'000));
      // The kernel may still write there, so the memory is never returned.
      EXPECT_GT(run.budget.used_bytes(), 0u);
    }
  }
}

TEST(Executor, CancelFromAnotherThreadEndsAWaitForTheDisk) {
  for (const bool row : {false, true}) {
    for (const int delay_ms : {0, 5, 20}) {
      const FakeReadQueueOptions slow{.delay = std::chrono::seconds(30)};
      TestRun run({Memory::kLeast, 2, 4}, row ? FakeReadQueueOptions{} : slow,
                  row ? slow : FakeReadQueueOptions{});
      const Clock::time_point start = Clock::now();
      std::thread other([&] {
        std::this_thread::sleep_for(milliseconds(delay_ms));
        run.executor->Cancel();
      });
      const auto logits = Generate(run);
      other.join();
      ASSERT_FALSE(logits);
      EXPECT_EQ(logits.error().key, "CANCELLED");
      EXPECT_EQ(run.Feed({1}).error().key, "CANCELLED");
      run.executor.reset();
      EXPECT_LT(Clock::now() - start, milliseconds(2'000));
    }
  }
}

TEST(Executor, CancelAtAnyMomentGivesTheRightAnswerOrNone) {
  for (int delay_us = 0; delay_us < 6'000; delay_us += 200) {
    TestRun run({Memory::kHalf, 3, 4});
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(delay_us));
      run.executor->Cancel();
    });
    const auto logits = Generate(run);
    other.join();
    if (logits) {
      EXPECT_EQ(*logits, Reference());
    } else {
      EXPECT_EQ(logits.error().key, "CANCELLED");
    }
    const auto after = run.Feed({1});
    ASSERT_FALSE(after);
    EXPECT_EQ(after.error().key, "CANCELLED");
  }
}

TEST(Executor, CanEndBeforeItsFirstPass) {
  for (const Memory memory : {Memory::kLeast, Memory::kAll}) {
    for (uint64_t i = 0; i < 5; ++i) TestRun run({memory, 3, 4}, {.seed = i});
  }
}

TEST(Executor, RefusesAnArenaBeyondTheBudget) {
  const Plan plan = MakePlan({});
  Budget budget("session", plan.memory.arena_bytes - 1);
  const auto executor =
      Executor::Create(TheModel().graph, plan, TheModel().rope, budget, nullptr, nullptr, {});
  ASSERT_FALSE(executor);
  EXPECT_EQ(executor.error().key, "BUDGET_EXCEEDED");
}

}  // namespace
}  // namespace tinyai
