#include <tinyai/utils/cache_opt.h>

#include "capi/chain_test_support.h"
#include "capi/handles.h"

namespace tinyai::capi {
namespace {

TEST(CacheOptimization, ConfigurationsAreCheckedAndStatisticsAreExact) {
  const ModelHandle model = OpenModel(MakeTextModel());
  TinyAICacheConfig config;
  ASSERT_TRUE(tinyaiGetCacheConfiguration(model.get(), &config));
  EXPECT_GT(config.block_size, 0);
  for (const TinyAICacheConfig& bad :
       {TinyAICacheConfig{-1, 0, true, 0}, TinyAICacheConfig{0, 48, true, 0},
        TinyAICacheConfig{0, 8, true, 0}, TinyAICacheConfig{0, 0, true, -1}}) {
    EXPECT_FALSE(tinyaiConfigureCacheOptimization(model.get(), &bad));
    EXPECT_EQ(LastKey(), "CONFIG");
  }
  const TinyAICacheConfig good = {32, 64, true, 4};
  EXPECT_TRUE(tinyaiConfigureCacheOptimization(model.get(), &good));
  ASSERT_TRUE(tinyaiGetCacheConfiguration(model.get(), &config));
  EXPECT_EQ(config.block_size, 32);
  EXPECT_TRUE(tinyaiConfigureCacheOptimization(model.get(), nullptr));
  EXPECT_EQ(tinyaiGetCacheStats(model.get()).hit_rate, 0);
  tinyaiGetLayerWeights(model.get(), 0);
  tinyaiGetLayerWeights(model.get(), 0);
  const TinyAICacheStats stats = tinyaiGetCacheStats(model.get());
  EXPECT_EQ(stats.hits, 1u);
  EXPECT_EQ(stats.misses, 1u);
  EXPECT_EQ(stats.hit_rate, 0.5);
  if (stats.hardware_available) {
    EXPECT_GT(stats.l1_misses + stats.llc_references, 0u) << "weights were read";
  } else {
    EXPECT_EQ(stats.l1_misses + stats.llc_references + stats.llc_misses, 0u)
        << "nothing is made up";
  }
  EXPECT_TRUE(tinyaiOptimizeMemoryLayout(model.get()));
}

TEST(CacheOptimization, TilesAndPrefetchReachTheKernelsAndChangeNoBit) {
  const ModelHandle model = OpenModel(Chain(3, kWidth));
  const auto run = [&] {
    const SchedulerHandle scheduler = MakeScheduler(model, 0);
    EXPECT_TRUE(tinyaiSetSchedulerBatchSize(scheduler.get(), 5));
    for (int i = 0; i < 3; ++i) AddChainLayer(scheduler, i);
    EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    std::vector<float> input(5 * kWidth), output(5 * kWidth);
    for (size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(i % 11) - 5;
    while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
    }
    EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
    return output;
  };
  const std::vector<float> expected = run();
  struct Case {
    TinyAICacheConfig config;
    Tiling tiling;
  };
  const auto line = static_cast<uint64_t>(tinyaiGetCacheStats(model.get()).cache_line_size);
  const uint64_t line_bytes = line != 0 ? line : 64;
  for (const Case& c :
       {Case{{3, 0, false, 9}, {3, 0, line_bytes}}, Case{{16, 128, true, 2}, {16, 256, 128}},
        Case{{0, 0, true, 0}, {0, Tiling::kNextTile, line_bytes}}}) {
    ASSERT_TRUE(tinyaiConfigureCacheOptimization(model.get(), &c.config));
    EXPECT_EQ(model->objects->mapped().tiling(), c.tiling);
    EXPECT_EQ(run(), expected) << c.config.block_size;
  }
}

}  // namespace
}  // namespace tinyai::capi
