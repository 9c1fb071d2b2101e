#include "solve/chain.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// Follows the passes one event after the other: a load starts when the one before has ended and the
// ops that ended before have left enough room. Slow and obvious. The average of passes so many that
// every ratio of a cycle of waits of few loads comes round.
double FollowPasses(const ChainProblem& problem, const std::vector<bool>& stays) {
  constexpr size_t kBefore = 60, kPasses = 840;
  uint64_t ring = problem.memory_bytes;
  std::vector<size_t> loads;
  for (size_t i = 0; i < stays.size(); ++i) {
    if (stays[i]) ring -= problem.ops[i].bytes;
    if (!stays[i]) loads.push_back(i);
  }
  struct Held {
    uint64_t bytes;
    double until;
  };
  std::vector<Held> held;  // in order; the first `freed` of them are known to have ended
  size_t freed = 0;
  uint64_t taken = 0;
  double loaded = 0, computed = 0, from = 0;
  for (size_t pass = 0; pass < kBefore + kPasses; ++pass) {
    for (size_t i = 0; i < stays.size(); ++i) {
      const ChainOp& op = problem.ops[i];
      if (!stays[i]) {
        double start = loaded;
        while (taken + op.bytes > ring) {
          start = std::max(start, held[freed].until);
          taken -= held[freed++].bytes;
        }
        taken += op.bytes;
        loaded = start + op.load_seconds;
        computed = std::max(computed, loaded) + op.compute_seconds;
        held.push_back({op.bytes, computed});
      } else {
        computed += op.compute_seconds;
      }
    }
    if (pass + 1 == kBefore) from = std::max(loaded, computed);
  }
  return (std::max(loaded, computed) - from) / kPasses;
}

ChainProblem RandomChain(uint32_t ops, uint32_t seed) {
  std::mt19937 random(seed);
  ChainProblem out;
  uint64_t bytes = 0, largest = 0;
  const uint32_t most = 1 + random() % 9;
  for (uint32_t i = 0; i < ops; ++i) {
    const uint64_t own = 1 + random() % most;
    const double load = static_cast<double>(seed % 2 == 0 ? own : 1 + random() % 9);
    out.ops.push_back({own, load, static_cast<double>(random() % 9)});
    bytes += own;
    largest = std::max(largest, own);
  }
  out.memory_bytes = largest + random() % (bytes + 2 - largest);
  if (random() % 2 == 0) out.ring_bytes = random() % (out.memory_bytes + 1);
  return out;
}

bool Fits(const ChainProblem& problem, const std::vector<bool>& stays) {
  uint64_t kept = 0, largest = 0;
  for (size_t i = 0; i < stays.size(); ++i) {
    if (stays[i]) kept += problem.ops[i].bytes;
    if (!stays[i]) largest = std::max(largest, problem.ops[i].bytes);
  }
  if (largest != 0) largest = std::max(largest, problem.ring_bytes);
  return kept + largest <= problem.memory_bytes;
}

TEST(Chain, PeriodsAreThoseOfLongRuns) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    const ChainProblem problem = RandomChain(1 + seed % 6, seed);
    std::vector<bool> stays;
    for (uint32_t i = 0; i < problem.ops.size(); ++i) stays.push_back((seed >> (3 + i) & 1) != 0);
    const std::optional<double> period = ChainPeriod(problem, stays);
    ASSERT_EQ(period.has_value(), Fits(problem, stays)) << "seed " << seed;
    if (!period) continue;
    EXPECT_NEAR(*period, FollowPasses(problem, stays), 1e-9) << "seed " << seed;
  }
}

TEST(Chain, TheBestChoiceIsTheBestOfAll) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    const ChainProblem problem = RandomChain(1 + seed % 6, seed);
    const std::optional<ChainResult> result = SolveChain(problem, {});
    ASSERT_TRUE(result);
    double best = 1e9;
    for (uint32_t set = 0; set < 1u << problem.ops.size(); ++set) {
      std::vector<bool> stays;
      for (uint32_t i = 0; i < problem.ops.size(); ++i) stays.push_back((set >> i & 1) != 0);
      if (Fits(problem, stays)) best = std::min(best, FollowPasses(problem, stays));
    }
    EXPECT_NEAR(result->period_seconds, best, 1e-9) << "seed " << seed;
    EXPECT_TRUE(result->optimal()) << "seed " << seed;
    EXPECT_LE(ChainBound(problem), best + 1e-9) << "seed " << seed;
  }
}

TEST(Chain, LoadsStartWhenThereIsRoomAndEndBeforeTheirOps) {
  // Room for one op's weight beside the one that stays: loading and computing take turns.
  const ChainProblem problem{{{4, 2, 1}, {4, 3, 1}, {4, 2, 1}}, 8};
  const std::optional<ChainResult> result = SolveChain(problem, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->stays, (std::vector<bool>{false, true, false}));
  EXPECT_DOUBLE_EQ(result->period_seconds, 6);
  EXPECT_TRUE(result->optimal());
  EXPECT_DOUBLE_EQ(result->load_starts[2] - result->load_starts[0], 3);
}

TEST(Chain, LongOnesGetABound) {
  const ChainProblem problem = RandomChain(400, 4);
  SearchLimits fast;
  fast.effort = Effort::kFast;
  const std::optional<ChainResult> result = SolveChain(problem, fast);
  ASSERT_TRUE(result);
  EXPECT_LE(result->lower_bound_seconds, result->period_seconds);
  EXPECT_LE(result->period_seconds, 1.1 * result->lower_bound_seconds);
}

TEST(Chain, AWeightLargerThanTheMemoryHasNoChoice) {
  EXPECT_FALSE(SolveChain({{{5, 1, 1}}, 4}, {}));
  EXPECT_FALSE(SolveChain({{{5, 1, 1}, {5, 1, 1}}, 8, 9}, {}));
  EXPECT_EQ(SolveChain({{}, 0}, {})->period_seconds, 0);
}

}  // namespace
}  // namespace tinyai
