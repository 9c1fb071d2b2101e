#include "engine/weight_cache.h"

#include <atomic>
#include <set>

#include "gtest/gtest.h"
#include "os/thread.h"

namespace tinyai {
namespace {

// Layers of `size` bytes in memory that nobody looks at; counts what is resident.
struct FakeStore : LayerStore {
  uint64_t size = 1000;
  std::function<Status(uint32_t)> on_load;
  std::mutex mutex;
  std::set<uint32_t> resident, advised;
  std::atomic<size_t> loads = 0, looks = 0, most = 0;

  uint64_t bytes(uint32_t) const override { return size; }
  Status Load(uint32_t layer) override {
    ++loads;
    if (on_load) TRY(on_load(layer));
    const std::lock_guard lock(mutex);
    EXPECT_TRUE(resident.insert(layer).second) << "layer " << layer << " is loaded twice";
    most = std::max(most.load(), resident.size());
    return {};
  }
  Status Look(uint32_t) override {
    ++looks;
    return {};
  }
  void Advise(uint32_t layer) override { advised.insert(layer); }
  void Drop(uint32_t layer) override {
    const std::lock_guard lock(mutex);
    resident.erase(layer);
  }
};

std::unique_ptr<WeightCache> MakeCache(FakeStore& store, size_t layers,
                                       const WeightCacheOptions& options) {
  auto cache = WeightCache::Create(store, layers, options, {});
  EXPECT_TRUE(cache) << Describe(cache.error());
  return std::move(*cache);
}

WeightCacheOptions Room(uint64_t layers, bool adaptive = true) {
  return {
      .limit_bytes = layers * 1024, .prefetch = false, .adaptive = adaptive, .least_charge = 64};
}

TEST(WeightCache, CyclicPassesHitAsThePolicySaysAndNeverPassTheLimit) {
  for (const bool adaptive : {false, true}) {
    FakeStore store;
    const auto cache = MakeCache(store, 12, Room(6, adaptive));
    for (int pass = 0; pass < 3; ++pass) {
      for (uint32_t layer = 0; layer < 12; ++layer) ASSERT_TRUE(cache->Get(layer));
    }
    const WeightCacheStats stats = cache->stats();
    EXPECT_EQ(store.most, 6u);
    EXPECT_LE(stats.peak_bytes, 6u * 1024);
    EXPECT_EQ(stats.loads, stats.misses);
    if (adaptive) {
      EXPECT_GE(static_cast<double>(stats.hits) / 24, 0.45);
    } else {
      EXPECT_EQ(stats.hits, 0u);
    }
  }
}

TEST(WeightCache, ALowerPriorityAlwaysGoesFirst) {
  FakeStore store;
  const auto cache = MakeCache(store, 5, Room(3));
  for (uint32_t layer = 0; layer < 3; ++layer) ASSERT_TRUE(cache->Get(layer));
  cache->SetPriority(1, 0.5f);
  cache->SetPriority(2, 2);
  ASSERT_TRUE(cache->Get(3));
  EXPECT_EQ(store.resident, (std::set<uint32_t>{0, 2, 3}));
  ASSERT_TRUE(cache->Get(4));
  EXPECT_TRUE(store.resident.contains(2));
  cache->ResetPriorities();
  EXPECT_EQ(cache->state(2).priority, 1);
}

TEST(WeightCache, ALayerLargerThanTheLimitIsServedAndNotKept) {
  FakeStore store;
  store.size = 5000;
  const auto cache = MakeCache(store, 2, Room(3));
  ASSERT_TRUE(cache->Get(0));
  EXPECT_EQ(store.looks, 1u);
  EXPECT_TRUE(cache->state(0).active);
  EXPECT_FALSE(cache->state(0).cached);
  EXPECT_EQ(cache->stats().used_bytes, 0u);
  cache->Release(0);
  EXPECT_FALSE(cache->state(0).active);
  EXPECT_EQ(cache->Hold(0, false).error().key, "LAYER_TOO_LARGE");
}

TEST(WeightCache, PrefetchLetsNothingGoThatMattersMore) {
  FakeStore store;
  const auto cache = MakeCache(store, 3, Room(1));
  ASSERT_TRUE(cache->Get(0));
  EXPECT_EQ(cache->Prefetch(1).error().key, "CACHE_FULL") << "0 is what its user looks at";
  ASSERT_TRUE(cache->Get(1));
  ASSERT_TRUE(cache->Get(2));
  cache->SetPriority(2, 3);
  EXPECT_FALSE(cache->Prefetch(1));
  cache->Release(2);
  EXPECT_TRUE(cache->Prefetch(1)) << "without threads it is read at once";
  EXPECT_TRUE(cache->state(1).cached);
  EXPECT_EQ(cache->state(1).accesses, 1u) << "reading ahead is no access";
}

TEST(WeightCache, ThreadsReadAheadWhatComesNext) {
  FakeStore store;
  const auto cache = MakeCache(store, 8, {.limit_bytes = 8 * 1024, .threads = 2});
  for (uint32_t layer = 0; layer < 8; ++layer) ASSERT_TRUE(cache->Get(layer));
  const WeightCacheStats stats = cache->stats();
  EXPECT_EQ(stats.prefetches, 7u);
  EXPECT_EQ(stats.prefetch_hits + stats.prefetch_late, 7u);
  EXPECT_EQ(store.loads, 8u);
}

TEST(WeightCache, WithoutThreadsReadingAheadIsAdvice) {
  FakeStore store;
  const auto cache = MakeCache(store, 4, {.limit_bytes = 4096, .threads = 0});
  ASSERT_TRUE(cache->Get(1));
  EXPECT_EQ(store.advised, std::set<uint32_t>{2});
  EXPECT_EQ(store.loads, 1u);
}

TEST(WeightCache, ConcurrentGetsReadALayerOnce) {
  FakeStore store;
  const auto cache = MakeCache(store, 4, {.limit_bytes = 1 << 20, .prefetch = false});
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i) {
      auto thread = Thread::Start({}, [&] {
        for (uint32_t layer = 0; layer < 4; ++layer) EXPECT_TRUE(cache->Get(layer));
      });
      ASSERT_TRUE(thread);
      threads.push_back(std::move(*thread));
    }
  }
  EXPECT_EQ(store.loads, 4u);
}

TEST(WeightCache, ManyThreadsNeverPassTheLimit) {
  FakeStore store;
  const auto cache = MakeCache(store, 16, {.limit_bytes = 5 * 1024, .threads = 2});
  {
    std::vector<Thread> threads;
    for (uint32_t i = 0; i < 3; ++i) {
      auto thread = Thread::Start({}, [&, i] {
        for (uint32_t n = 0; n < 400; ++n) {
          const uint32_t layer = (n * (i + 3) + n / 7) % 16;
          EXPECT_TRUE(cache->Get(layer));
          if (n % 5 == 0) cache->Release(layer);
          if (n % 3 == 0) (void)cache->Prefetch((layer + 5) % 16);
        }
      });
      ASSERT_TRUE(thread);
      threads.push_back(std::move(*thread));
    }
  }
  EXPECT_LE(store.most, 5u);
  EXPECT_LE(cache->stats().peak_bytes, 5u * 1024);
}

TEST(WeightCache, AFailedReadLeavesNothingBehindAndIsTriedAgain) {
  FakeStore store;
  bool fail = true;
  store.on_load = [&](uint32_t) -> Status {
    if (fail) return Fail(ErrorCode::kIo, "IO_READ", "bad");
    return {};
  };
  const auto cache = MakeCache(store, 2, Room(1));
  EXPECT_EQ(cache->Get(0).error().key, "IO_READ");
  EXPECT_TRUE(cache->state(0).failed);
  EXPECT_EQ(cache->stats().used_bytes, 0u);
  fail = false;
  EXPECT_TRUE(cache->Get(0));
}

TEST(WeightCache, HeldAndReservedBytesStay) {
  FakeStore store;
  const auto cache = MakeCache(store, 6, Room(3));
  ASSERT_TRUE(cache->Hold(0, false));
  ASSERT_TRUE(cache->Reserve(1024));
  for (uint32_t layer = 1; layer < 6; ++layer) ASSERT_TRUE(cache->Get(layer));
  EXPECT_TRUE(store.resident.contains(0));
  EXPECT_EQ(cache->stats().used_bytes, 3u * 1024);
  EXPECT_EQ(cache->Reserve(2048).error().key, "CACHE_FULL");
  cache->Unreserve(1024);
  EXPECT_TRUE(cache->Reserve(2048));
  EXPECT_EQ(store.resident, std::set<uint32_t>{0});
  cache->Unhold(0, true);
  EXPECT_TRUE(store.resident.empty());
}

TEST(WeightCache, AReleaseDuringUseWaitsForItsEnd) {
  FakeStore store;
  const auto cache = MakeCache(store, 2, Room(2));
  ASSERT_TRUE(cache->Get(0));
  cache->BeginUse(0);
  cache->Release(0);
  EXPECT_TRUE(store.resident.contains(0));
  cache->EndUse(0);
  EXPECT_TRUE(store.resident.empty());
  EXPECT_EQ(cache->stats().used_bytes, 0u);
}

}  // namespace
}  // namespace tinyai
