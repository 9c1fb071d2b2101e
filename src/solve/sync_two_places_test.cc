#include "solve/sync_two_places.h"

#include <algorithm>

#include "gtest/gtest.h"
#include "solve/sync_cuts.h"
#include "solve/sync_test_support.h"

namespace tinyai {
namespace {

uint32_t Crossings(const SyncNet& net, const std::vector<uint32_t>& path) {
  uint32_t crossings = 0;
  for (size_t i = 1; i < path.size(); ++i) {
    const SyncNet::Edge edge{path[i - 1], path[i]};
    EXPECT_NE(std::find(net.edges.begin(), net.edges.end(), edge), net.edges.end());
    crossings += net.Crosses(edge);
  }
  return crossings;
}

uint32_t FirstSender(const SyncNet& net, const std::vector<uint32_t>& path) {
  return net.place[path.front()];  // a path that crosses stays on its first place until then
}

void ExpectProved(const SyncNet& net, const TwoPlaceSyncs& two) {
  if (two.syncs == 0) {
    for (const SyncNet::Edge& edge : net.edges) EXPECT_FALSE(net.Crosses(edge));
    return;
  }
  ASSERT_FALSE(two.witness.empty());
  if (two.witness.size() == 1) {
    EXPECT_EQ(Crossings(net, two.witness[0]), two.syncs);
    return;
  }
  ASSERT_EQ(two.witness.size(), 2u);
  for (const std::vector<uint32_t>& path : two.witness) {
    EXPECT_EQ(Crossings(net, path) + 1, two.syncs);
  }
  EXPECT_NE(FirstSender(net, two.witness[0]), FirstSender(net, two.witness[1]));
}

TEST(TwoPlaces, NeedWhatEveryScheduleNeeds) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    const SyncNet net = RandomNet(1 + seed % 6, 2, 0.1 + 0.1 * (seed % 7), seed);
    const TwoPlaceSyncs two = SolveTwoPlaces(net);
    const SyncCuts cuts = BoundByCuts(net, OpLists::Predecessors(net), TopologicalOrder(net));
    EXPECT_EQ(cuts.least_syncs, two.syncs);
    EXPECT_EQ(FindSyncFault(net, two.schedule), std::nullopt) << "seed " << seed;
    EXPECT_EQ(two.schedule.syncs(), two.syncs);
    const auto [syncs, fences] = EverySchedule(net).Fewest();
    EXPECT_EQ(two.syncs, syncs) << "seed " << seed;
    EXPECT_EQ(two.schedule.fences(), fences) << "seed " << seed;
    ExpectProved(net, two);
  }
}

TEST(TwoPlaces, AreProvedAtAnySize) {
  const SyncNet net = RandomNet(2000, 2, 0.005, 1);
  const TwoPlaceSyncs two = SolveTwoPlaces(net);
  EXPECT_EQ(FindSyncFault(net, two.schedule), std::nullopt);
  EXPECT_EQ(two.schedule.syncs(), two.syncs);
  ExpectProved(net, two);
}

TEST(TwoPlaces, ManyChainsInBothDirectionsNeedTwo) {
  SyncNet net{2, {}, {}};
  for (uint32_t i = 0; i < 100; ++i) {
    net.place.insert(net.place.end(), {i % 2, 1 - i % 2});
    net.edges.push_back({2 * i, 2 * i + 1});
  }
  EXPECT_EQ(SolveTwoPlaces(net).syncs, 2u);
}

TEST(TwoPlaces, AChainThatAlternatesNeedsOneForEachStep) {
  SyncNet net{2, {}, {}};
  for (uint32_t i = 0; i < 100; ++i) net.place.push_back(i % 2);
  for (uint32_t i = 1; i < 100; ++i) net.edges.push_back({i - 1, i});
  EXPECT_EQ(SolveTwoPlaces(net).syncs, 99u);
}

TEST(TwoPlaces, NothingNeedsNothing) {
  EXPECT_EQ(SolveTwoPlaces({2, {}, {}}).syncs, 0u);
  EXPECT_EQ(SolveTwoPlaces({0, {}, {}}).schedule.queues.size(), 0u);
}

uint32_t FewestOfAllPlacements(const SyncNet& net, const std::vector<uint8_t>& allowed) {
  uint32_t fewest = UINT32_MAX;
  for (uint32_t bits = 0; bits < 1u << net.size(); ++bits) {
    SyncNet placed = net;
    bool fits = true;
    for (uint32_t op = 0; op < net.size(); ++op) {
      placed.place[op] = bits >> op & 1;
      fits = fits && (allowed[op] >> placed.place[op] & 1) != 0;
    }
    if (fits) fewest = std::min(fewest, SolveTwoPlaces(placed).syncs);
  }
  return fewest;
}

TEST(FreePlacement, NeedsWhatTheBestOfAllPlacementsNeeds) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SyncNet net = RandomNet(1 + seed % 9, 2, 0.1 + 0.1 * (seed % 5), seed);
    std::mt19937 random(seed);
    std::vector<uint8_t> allowed;
    for (uint32_t op = 0; op < net.size(); ++op) allowed.push_back(1 + random() % 3);
    const FreePlacement free = PlaceOnTwo(net, allowed);
    EXPECT_EQ(free.syncs, FewestOfAllPlacements(net, allowed)) << "seed " << seed;
    net.place = free.place;
    for (uint32_t op = 0; op < net.size(); ++op) {
      EXPECT_NE(allowed[op] >> free.place[op] & 1, 0) << "seed " << seed;
    }
    EXPECT_EQ(SolveTwoPlaces(net).syncs, free.syncs) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tinyai
