#include "solve/sync_placement.h"

#include <algorithm>
#include <utility>

#include "gtest/gtest.h"
#include "solve/least_syncs.h"
#include "solve/sync_test_support.h"

namespace tinyai {
namespace {

using Choices = std::vector<std::vector<uint32_t>>;

Choices RandomChoices(const SyncNet& net, uint32_t most_free, std::mt19937& random) {
  Choices out;
  uint32_t free = 0;
  for (uint32_t op = 0; op < net.size(); ++op) {
    out.push_back({net.place[op]});
    if (random() % 2 != 0 || free == most_free) continue;
    ++free;
    out.back().clear();
    for (uint32_t place = 0; place < net.places; ++place) {
      if (out.back().empty() || random() % 4 != 0) out.back().push_back(place);
    }
  }
  return out;
}

std::pair<uint32_t, uint32_t> OfEveryPlacement(SyncNet net, const Choices& choices, uint32_t op) {
  if (op == net.size()) {
    const LeastSyncs least = FindLeastSyncs(net, {});
    EXPECT_TRUE(least.syncs_optimal() && least.fences_optimal());
    return {least.syncs, least.fences};
  }
  std::pair<uint32_t, uint32_t> best{~uint32_t{0}, 0};
  for (const uint32_t place : choices[op]) {
    net.place[op] = place;
    best = std::min(best, OfEveryPlacement(net, choices, op + 1));
  }
  return best;
}

TEST(PlaceForSyncs, FindsTheFewestSyncsAndFences) {
  std::mt19937 random(3);
  for (uint32_t seed = 0; seed < 150; ++seed) {
    const SyncNet net = RandomNet(5 + seed % 5, 3 + seed % 2, 0.15 + 0.1 * (seed % 4), seed);
    const Choices choices = RandomChoices(net, 4, random);
    const SyncPlacement found = PlaceForSyncs(net, choices, {});
    EXPECT_TRUE(found.proved);
    EXPECT_EQ(std::pair(found.syncs, found.fences), OfEveryPlacement(net, choices, 0)) << seed;
    for (uint32_t op = 0; op < net.size(); ++op) {
      EXPECT_NE(std::find(choices[op].begin(), choices[op].end(), found.place[op]),
                choices[op].end());
    }
  }
}

// Each free op between two of one place belongs there.
TEST(PlaceForSyncs, FollowsNeighboursInLargeNets) {
  SyncNet net;
  net.places = 3;
  Choices choices;
  for (uint32_t op = 0; op < 3000; ++op) {
    const uint32_t chain = op % 3;
    choices.push_back(op / 3 % 4 == 0 ? std::vector{chain} : std::vector<uint32_t>{0, 1, 2});
    if (op >= 3) net.edges.push_back({op - 3, op});
  }
  net.place.resize(choices.size());
  EXPECT_EQ(PlaceForSyncs(net, choices, {.effort = Effort::kFast}).syncs, 0u);
}

}  // namespace
}  // namespace tinyai
