#include "engine/residency_policy.h"

#include <set>

#include "base/mix.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// A cache of `room` equal layers under the policy.
struct Cache {
  ResidencyPolicy policy;
  size_t room;
  std::set<uint32_t> resident = {};
  size_t hits = 0, accesses = 0;

  void Use(uint32_t layer) {
    policy.Access(layer);
    ++accesses;
    if (resident.contains(layer)) {
      ++hits;
      return;
    }
    if (resident.size() == room) {
      const std::vector<uint32_t> candidates(resident.begin(), resident.end());
      resident.erase(policy.Victim(candidates));
    }
    resident.insert(layer);
  }
  double Rate() const { return static_cast<double>(hits) / static_cast<double>(accesses); }
};

TEST(ResidencyPolicy, CyclicPassesHitAsOftenAsIsPossible) {
  for (const uint32_t layers : {12u, 13u, 24u, 96u}) {
    Cache cache{.policy = ResidencyPolicy(layers, true), .room = layers / 2};
    for (uint32_t i = 0; i < layers; ++i) cache.Use(i);
    EXPECT_EQ(cache.hits, 0u);
    cache.accesses = 0;
    for (uint32_t pass = 1; pass < layers; ++pass) {
      for (uint32_t i = 0; i < layers; ++i) cache.Use(i);
    }
    // Belady's rule: (C - 1) / (N - 1) over N - 1 passes.
    EXPECT_NEAR(cache.Rate(), (layers / 2 - 1.0) / (layers - 1.0), 0.01) << layers;
    if (layers % 2 == 0) {
      EXPECT_GE(cache.Rate(), 0.45) << layers;
    }
  }
}

TEST(ResidencyPolicy, LeastRecentlyUsedNeverHitsInACycle) {
  Cache cache{.policy = ResidencyPolicy(12, false), .room = 6};
  for (uint32_t i = 0; i < 60; ++i) cache.Use(i % 12);
  EXPECT_EQ(cache.hits, 0u);
}

TEST(ResidencyPolicy, LearnsAnyFixedOrder) {
  // 7 generates all of 0..11 with step 7; backwards and by twos work alike.
  for (const uint32_t step : {7u, 11u, 5u}) {
    Cache cache{.policy = ResidencyPolicy(12, true), .room = 6};
    for (uint32_t i = 0; i < 36; ++i) cache.Use(i * step % 12);
    cache.hits = cache.accesses = 0;
    for (uint32_t i = 0; i < 132; ++i) cache.Use(i * step % 12);
    EXPECT_GE(cache.Rate(), 0.45) << step;
    EXPECT_EQ(cache.policy.Next(1), std::vector<uint32_t>{0}) << step;
  }
}

TEST(ResidencyPolicy, RandomOrderKeepsWhatIsUsedOftenAndPredictsNothing) {
  Cache cache{.policy = ResidencyPolicy(16, true), .room = 4};
  uint64_t state = 1;
  for (int i = 0; i < 2000; ++i) {
    state = Mix64(state + 1);
    // Half of all accesses go to layers 0 to 2.
    cache.Use(static_cast<uint32_t>(state % 2 == 0 ? state / 2 % 3 : state / 2 % 16));
  }
  EXPECT_FALSE(cache.policy.regular());
  EXPECT_TRUE(cache.policy.Next(3).empty());
  // Always keeping 0 to 2 would hit 0.5 + 0.5 * 3/16 of the time; the fourth place, by chance.
  EXPECT_GT(cache.Rate(), 0.5);
}

TEST(ResidencyPolicy, WithoutAdaptationTheNextLayersAreTheNextNumbers) {
  ResidencyPolicy policy(4, false);
  EXPECT_TRUE(policy.Next(2).empty());
  policy.Access(2);
  EXPECT_EQ(policy.Next(2), (std::vector<uint32_t>{3, 0}));
  EXPECT_EQ(policy.Next(9), (std::vector<uint32_t>{3, 0, 1}));
}

}  // namespace
}  // namespace tinyai
