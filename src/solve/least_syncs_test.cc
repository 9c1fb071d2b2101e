#include "solve/least_syncs.h"

#include "gtest/gtest.h"
#include "solve/sync_cuts.h"
#include "solve/sync_test_support.h"

namespace tinyai {
namespace {

SearchLimits Limits(Effort effort) {
  SearchLimits limits;
  limits.effort = effort;
  return limits;
}

void ExpectSound(const SyncNet& net, const LeastSyncs& least) {
  EXPECT_EQ(FindSyncFault(net, least.schedule), std::nullopt);
  EXPECT_EQ(least.schedule.syncs(), least.syncs);
  EXPECT_EQ(least.schedule.fences(), least.fences);
  EXPECT_LE(least.least_syncs, least.syncs);
  EXPECT_LE(least.least_fences, least.fences);
}

TEST(LeastSyncs, AreWhatEveryScheduleNeeds) {
  for (uint32_t seed = 0; seed < 1200; ++seed) {
    const SyncNet net = RandomNet(3 + seed % 4, 3 + seed % 2, 0.15 + 0.1 * (seed % 6), seed);
    const LeastSyncs least = FindLeastSyncs(net, Limits(Effort::kExact));
    SCOPED_TRACE(seed);
    ExpectSound(net, least);
    const auto [syncs, fences] = EverySchedule(net).Fewest();
    EXPECT_EQ(least.syncs, syncs);
    EXPECT_EQ(least.fences, fences);
    EXPECT_TRUE(least.syncs_optimal());
    EXPECT_TRUE(least.fences_optimal());
  }
}

TEST(LeastSyncs, AreWhatEveryWordOfSyncsNeeds) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const SyncNet net = RandomNet(8 + seed % 5, 3 + seed % 2, 0.08 + 0.05 * (seed % 6), seed);
    const LeastSyncs least = FindLeastSyncs(net, Limits(Effort::kExact));
    SCOPED_TRACE(seed);
    ExpectSound(net, least);
    const auto [syncs, fences] = EveryWord(net).Fewest();
    EXPECT_EQ(least.syncs, syncs);
    EXPECT_EQ(least.fences, fences);
    EXPECT_TRUE(least.syncs_optimal());
    EXPECT_TRUE(least.fences_optimal());
  }
}

TEST(LeastSyncs, BoundsHoldWhateverTheEffort) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const SyncNet net = RandomNet(8 + seed % 9, 3 + seed % 3, 0.05 + 0.05 * (seed % 6), seed);
    SCOPED_TRACE(seed);
    const LeastSyncs exact = FindLeastSyncs(net, Limits(Effort::kNormal));
    const LeastSyncs fast = FindLeastSyncs(net, Limits(Effort::kFast));
    ExpectSound(net, exact);
    ExpectSound(net, fast);
    EXPECT_LE(exact.syncs, fast.syncs);
    EXPECT_LE(fast.least_syncs, exact.syncs);
    EXPECT_TRUE(exact.syncs_optimal());
  }
}

TEST(LeastSyncs, CutsAreNeverAboveTheLeast) {
  uint32_t tight = 0;
  for (uint32_t seed = 0; seed < 300; ++seed) {
    const SyncNet net = RandomNet(8 + seed % 9, 3 + seed % 4, 0.05 + 0.05 * (seed % 6), seed);
    SCOPED_TRACE(seed);
    const LeastSyncs exact = FindLeastSyncs(net, Limits(Effort::kExact));
    const SyncCuts cuts = BoundByCuts(net, OpLists::Predecessors(net), TopologicalOrder(net));
    EXPECT_LE(cuts.least_syncs, exact.syncs);
    EXPECT_LE(cuts.least_fences, exact.fences);
    tight += cuts.least_syncs == exact.syncs;
  }
  EXPECT_GE(tight, 100u);
}

// Two chains that cross between the same two groups of places, in which no place alone crosses
// much.
TEST(LeastSyncs, CutsOfTwoPlacesAgainstTwoAddUp) {
  const SyncNet net{4, {0, 2, 1, 3, 2, 1, 3, 0}, {{0, 1}, {1, 2}, {2, 3}, {4, 5}, {5, 6}, {6, 7}}};
  const SyncCuts cuts = BoundByCuts(net, OpLists::Predecessors(net), TopologicalOrder(net));
  EXPECT_EQ(cuts.least_syncs, FindLeastSyncs(net, Limits(Effort::kExact)).syncs);
}

TEST(LeastSyncs, AreFoundAtAnySize) {
  for (const Effort effort : {Effort::kFast, Effort::kNormal}) {
    const SyncNet net = RandomNet(1200, 4, 0.004, 7);
    ExpectSound(net, FindLeastSyncs(net, Limits(effort)));
  }
  const SyncNet many = RandomNet(300, 40, 0.02, 8);
  ExpectSound(many, FindLeastSyncs(many, Limits(Effort::kNormal)));
}

TEST(LeastSyncs, PlacesWithoutOpsStayEmpty) {
  const SyncNet net{7, {5, 2, 5}, {{0, 1}, {1, 2}}};
  const LeastSyncs least = FindLeastSyncs(net, Limits(Effort::kNormal));
  ExpectSound(net, least);
  EXPECT_EQ(least.syncs, 2u);
  EXPECT_TRUE(least.schedule.queues[0].empty());
  ExpectSound({0, {}, {}}, FindLeastSyncs({0, {}, {}}, Limits(Effort::kNormal)));
}

TEST(LeastSyncs, ASearchWithoutTimeStillAnswers) {
  SearchLimits limits = Limits(Effort::kExact);
  limits.deadline = SearchLimits::Clock::time_point::min();
  const SyncNet net = RandomNet(40, 4, 0.1, 3);
  ExpectSound(net, FindLeastSyncs(net, limits));
}

using Kind = SyncCommand::Kind;

TEST(SyncFault, EveryDamageIsFound) {
  const SyncNet net{2, {0, 1, 0}, {{0, 1}, {1, 2}}};
  const SyncSchedule good = FindLeastSyncs(net, Limits(Effort::kNormal)).schedule;
  ASSERT_EQ(FindSyncFault(net, good), std::nullopt);
  const auto fault = [&](auto&& damage) {
    SyncSchedule bad = good;
    damage(bad.queues);
    return FindSyncFault(net, bad).value_or("none");
  };
  // Place 0: run 0, fence 0, sync 1, run 2; place 1: sync 0, run 1, fence 1.
  EXPECT_EQ(fault([](auto& q) { q[1].erase(q[1].begin()); }),
            "op 1 on place 1 does not know that op 0 is complete");
  EXPECT_EQ(fault([](auto& q) { std::swap(q[0][0], q[0][1]); }),
            "op 1 on place 1 does not know that op 0 is complete");
  EXPECT_EQ(fault([](auto& q) {
              q[1].push_back({Kind::kSync, 0});
            }),
            "stale sync: place 1 already knows that fence 0 has passed");
  EXPECT_EQ(fault([](auto& q) { std::swap(q[0][1], q[0][2]); }),
            "deadlock: place 0 waits for fence 1, which never passes");
  EXPECT_EQ(fault([](auto& q) {
              q[0].push_back({Kind::kSync, 0});
            }),
            "place 0 waits for its own fence 0");
  EXPECT_EQ(fault([](auto& q) { q[1][0].id = 9; }),
            "place 1 waits for fence 9, which is never recorded");
  EXPECT_EQ(fault([](auto& q) { q[1].push_back({Kind::kFence, 0}); }), "fence 0 is recorded twice");
  EXPECT_EQ(fault([](auto& q) { q[0].pop_back(); }), "op 2 is missing");
  EXPECT_EQ(fault([](auto& q) { q[0].push_back({Kind::kRun, 2}); }), "op 2 runs twice");
  EXPECT_EQ(fault([](auto& q) { q[0].push_back({Kind::kRun, 3}); }), "there is no op 3");
  EXPECT_EQ(fault([](auto& q) { std::swap(q[0], q[1]); }), "op 1 is on place 0, not 1");
  EXPECT_EQ(fault([](auto& q) { q.pop_back(); }), "1 queues for 2 places");
}

}  // namespace
}  // namespace tinyai
