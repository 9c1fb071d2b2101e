#include <tinyai/utils/progressive_loader.h>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

using LoaderHandle = Handle<TinyAIProgressiveLoader>;

LoaderHandle MakeLoader(const TinyAIProgressiveLoaderConfig* config = nullptr) {
  return {tinyaiCreateProgressiveLoader(config), tinyaiFreeProgressiveLoader};
}

TinyAIMmapConfig NoPrefetch() {
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.prefetchEnabled = false;
  return config;
}

TEST(ProgressiveLoader, ServesTheModelOpenedLast) {
  const LoaderHandle loader = MakeLoader();
  EXPECT_FALSE(tinyaiLoadLayer(loader.get(), 0));
  EXPECT_EQ(LastKey(), "NO_MODEL");
  const ModelHandle first = OpenModel(MakeTextModel(1)), second = OpenModel(MakeTextModel(2));
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 5)) << tinyaiGetErrorMessage();
  EXPECT_TRUE(tinyaiGetLayerDescriptor(second.get(), 5)->isActive);
  EXPECT_FALSE(tinyaiAttachProgressiveLoader(loader.get(), first.get()));
  EXPECT_EQ(LastKey(), "LOADER_BOUND");
  const LoaderHandle other = MakeLoader();
  ASSERT_TRUE(tinyaiAttachProgressiveLoader(other.get(), first.get()));
  ASSERT_TRUE(tinyaiLoadLayer(other.get(), 1));
  EXPECT_TRUE(tinyaiGetLayerDescriptor(first.get(), 1)->isActive);
}

TEST(ProgressiveLoader, LoadsHoldsAndUnloads) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const TinyAIProgressiveLoaderConfig config = {false, 0, false, 0};
  const LoaderHandle loader = MakeLoader(&config);
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 0), TINYAI_LAYER_STATUS_UNLOADED);
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 99), TINYAI_LAYER_STATUS_ERROR);
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 0));
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 0)) << "again is as good";
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 0), TINYAI_LAYER_STATUS_LOADED);
  EXPECT_EQ(tinyaiGetProgressiveLoaderStats(loader.get()).current_usage,
            tinyaiGetMappedModelMemoryUsage(model.get()));
  ASSERT_TRUE(tinyaiUnloadLayer(loader.get(), 0));
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 0), TINYAI_LAYER_STATUS_UNLOADED);
  EXPECT_FALSE(tinyaiGetLayerDescriptor(model.get(), 0)->isActive);
  EXPECT_TRUE(tinyaiUnloadLayer(loader.get(), 3)) << "what is not loaded is unloaded";
  EXPECT_FALSE(tinyaiUnloadLayer(loader.get(), 6));
  EXPECT_EQ(LastKey(), "ARG_INDEX");
}

TEST(ProgressiveLoader, KeepsWithinItsLimitByPriorityAndThenAge) {
  const TinyAIMmapConfig mapping = NoPrefetch();
  const ModelHandle model = OpenModel(MakeTextModel(3), &mapping);
  const size_t ffn = tinyaiGetLayerDescriptor(model.get(), 2)->size;
  const TinyAIProgressiveLoaderConfig config = {false, 0, false, 2 * ffn + 8192};
  const LoaderHandle loader = MakeLoader(&config);
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 2));
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 4));
  tinyaiSetLayerPriority(loader.get(), 2, 5);
  EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), 2)->priority, 5);
  ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 6));
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 2), TINYAI_LAYER_STATUS_LOADED);
  EXPECT_EQ(tinyaiGetLayerStatus(loader.get(), 4), TINYAI_LAYER_STATUS_UNLOADED);
  const TinyAIMemoryStats stats = tinyaiGetProgressiveLoaderStats(loader.get());
  EXPECT_LE(stats.peak_usage, config.max_memory_usage);
  EXPECT_EQ(stats.evictions, 1u);
  const TinyAIProgressiveLoaderConfig tiny = {false, 0, false, ffn / 2};
  const LoaderHandle small = MakeLoader(&tiny);
  EXPECT_FALSE(tinyaiLoadLayer(small.get(), 2));
  EXPECT_EQ(LastKey(), "LAYER_TOO_LARGE");
}

TEST(ProgressiveLoader, TheWindowShrinksToNothingWhereTheOrderIsRandom) {
  const TinyAIMmapConfig mapping = NoPrefetch();
  const ModelHandle model = OpenModel(MakeTextModel(8), &mapping);
  const int layers = tinyaiGetMappedLayerCount(model.get());
  const size_t ffn = tinyaiGetLayerDescriptor(model.get(), 2)->size;
  const TinyAIProgressiveLoaderConfig config = {true, 2, true, 5 * ffn};
  const LoaderHandle loader = MakeLoader(&config);
  for (int i = 1; i < layers; ++i) ASSERT_TRUE(tinyaiLoadLayer(loader.get(), i));
  EXPECT_GE(tinyaiGetPrefetchWindow(loader.get()), 1);
  EXPECT_GT(tinyaiGetProgressiveLoaderStats(loader.get()).prefetch_hits, 8u);
  for (int i = 0; i < 60; ++i)
    ASSERT_TRUE(tinyaiLoadLayer(loader.get(), (i * 11 + i / 5) % layers));
  EXPECT_EQ(tinyaiGetPrefetchWindow(loader.get()), 0);
  EXPECT_LE(tinyaiGetProgressiveLoaderStats(loader.get()).peak_usage, config.max_memory_usage);
}

TEST(ProgressiveLoader, OutlivesItsModel) {
  const LoaderHandle loader = MakeLoader();
  {
    const ModelHandle model = OpenModel(MakeTextModel());
    ASSERT_TRUE(tinyaiLoadLayer(loader.get(), 0));
  }
  EXPECT_TRUE(tinyaiLoadLayer(loader.get(), 3)) << tinyaiGetErrorMessage();
  EXPECT_TRUE(tinyaiUnloadLayer(loader.get(), 0));
}

}  // namespace
}  // namespace tinyai::capi
