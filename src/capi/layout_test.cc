// What binds programs that were compiled against the four API pages: their structs, field by field,
// and that results may be ignored.

#include <tinyai/tinyai.h>

#include <cstddef>
#include <type_traits>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

// The structs as the pages write them.
namespace pages {

struct LayerDescriptor {
  size_t offset, size;
  int layerIndex, precision;
  void* cachedWeights;
  bool isActive;
  float priority;
  uint64_t lastAccessed, accessCount;
};
struct MmapConfig {
  size_t maxCacheSize;
  bool prefetchEnabled;
  int prefetchThreads;
  bool adaptiveCaching;
  size_t minLayerCacheSize;
};
struct ExecLayer {
  int layerIndex;
  TinyAIDependencyType depType;
  int dependsOnLayer;
  bool executed, outputNeeded;
  float memoryUsage;
  void* outputPtr;
  size_t outputSize;
};
struct MemoryOptimizerConfig {
  bool enable_tensor_reuse, enable_in_place_ops;
  float memory_speed_tradeoff;
  size_t max_memory_budget;
};
struct ProgressiveLoaderConfig {
  bool enable_prefetch;
  int prefetch_window;
  bool enable_adaptive_window;
  size_t max_memory_usage;
};
struct LayerSchedulerConfig {
  bool enable_checkpointing;
  float memory_speed_tradeoff;
  bool recompute_activations;
  size_t max_activation_memory;
};
struct CacheConfig {
  int block_size, cache_line_size;
  bool enable_prefetch;
  int prefetch_distance;
};

}  // namespace pages

#define EXPECT_SAME_FIELD(name, field)                                                        \
  static_assert(std::is_same_v<decltype(TinyAI##name::field), decltype(pages::name::field)>); \
  EXPECT_EQ(offsetof(TinyAI##name, field), offsetof(pages::name, field))

TEST(Layout, StructsHaveTheFieldsOfThePagesAndNoMore) {
  EXPECT_EQ(sizeof(TinyAILayerDescriptor), sizeof(pages::LayerDescriptor));
  EXPECT_SAME_FIELD(LayerDescriptor, offset);
  EXPECT_SAME_FIELD(LayerDescriptor, size);
  EXPECT_SAME_FIELD(LayerDescriptor, layerIndex);
  EXPECT_SAME_FIELD(LayerDescriptor, precision);
  EXPECT_SAME_FIELD(LayerDescriptor, cachedWeights);
  EXPECT_SAME_FIELD(LayerDescriptor, isActive);
  EXPECT_SAME_FIELD(LayerDescriptor, priority);
  EXPECT_SAME_FIELD(LayerDescriptor, lastAccessed);
  EXPECT_SAME_FIELD(LayerDescriptor, accessCount);
  EXPECT_EQ(sizeof(TinyAIMmapConfig), sizeof(pages::MmapConfig));
  EXPECT_SAME_FIELD(MmapConfig, maxCacheSize);
  EXPECT_SAME_FIELD(MmapConfig, prefetchEnabled);
  EXPECT_SAME_FIELD(MmapConfig, prefetchThreads);
  EXPECT_SAME_FIELD(MmapConfig, adaptiveCaching);
  EXPECT_SAME_FIELD(MmapConfig, minLayerCacheSize);
  EXPECT_EQ(sizeof(TinyAIExecLayer), sizeof(pages::ExecLayer));
  EXPECT_SAME_FIELD(ExecLayer, layerIndex);
  EXPECT_SAME_FIELD(ExecLayer, depType);
  EXPECT_SAME_FIELD(ExecLayer, dependsOnLayer);
  EXPECT_SAME_FIELD(ExecLayer, executed);
  EXPECT_SAME_FIELD(ExecLayer, outputNeeded);
  EXPECT_SAME_FIELD(ExecLayer, memoryUsage);
  EXPECT_SAME_FIELD(ExecLayer, outputPtr);
  EXPECT_SAME_FIELD(ExecLayer, outputSize);
  EXPECT_EQ(sizeof(TinyAIMemoryOptimizerConfig), sizeof(pages::MemoryOptimizerConfig));
  EXPECT_SAME_FIELD(MemoryOptimizerConfig, enable_tensor_reuse);
  EXPECT_SAME_FIELD(MemoryOptimizerConfig, enable_in_place_ops);
  EXPECT_SAME_FIELD(MemoryOptimizerConfig, memory_speed_tradeoff);
  EXPECT_SAME_FIELD(MemoryOptimizerConfig, max_memory_budget);
  EXPECT_EQ(sizeof(TinyAIProgressiveLoaderConfig), sizeof(pages::ProgressiveLoaderConfig));
  EXPECT_SAME_FIELD(ProgressiveLoaderConfig, enable_prefetch);
  EXPECT_SAME_FIELD(ProgressiveLoaderConfig, prefetch_window);
  EXPECT_SAME_FIELD(ProgressiveLoaderConfig, enable_adaptive_window);
  EXPECT_SAME_FIELD(ProgressiveLoaderConfig, max_memory_usage);
  EXPECT_EQ(sizeof(TinyAILayerSchedulerConfig), sizeof(pages::LayerSchedulerConfig));
  EXPECT_SAME_FIELD(LayerSchedulerConfig, enable_checkpointing);
  EXPECT_SAME_FIELD(LayerSchedulerConfig, memory_speed_tradeoff);
  EXPECT_SAME_FIELD(LayerSchedulerConfig, recompute_activations);
  EXPECT_SAME_FIELD(LayerSchedulerConfig, max_activation_memory);
  EXPECT_EQ(sizeof(TinyAICacheConfig), sizeof(pages::CacheConfig));
  EXPECT_SAME_FIELD(CacheConfig, block_size);
  EXPECT_SAME_FIELD(CacheConfig, cache_line_size);
  EXPECT_SAME_FIELD(CacheConfig, enable_prefetch);
  EXPECT_SAME_FIELD(CacheConfig, prefetch_distance);
}

TEST(Layout, EnumsHaveTheNumbersOfThePages) {
  EXPECT_EQ(TINYAI_EXEC_NORMAL, 0);
  EXPECT_EQ(TINYAI_EXEC_MEMORY_OPT, 1);
  EXPECT_EQ(TINYAI_EXEC_STREAMING, 2);
  EXPECT_EQ(TINYAI_EXEC_ADAPTIVE, 3);
  EXPECT_EQ(TINYAI_DEP_NONE, 0);
  EXPECT_EQ(TINYAI_DEP_SEQUENTIAL, 1);
  EXPECT_EQ(TINYAI_DEP_RESIDUAL, 2);
  EXPECT_EQ(TINYAI_DEP_ATTENTION, 3);
  EXPECT_EQ(TINYAI_SIMD_OP_MATRIX_MUL, 0);
  EXPECT_EQ(TINYAI_SIMD_OP_CONV, 1);
  EXPECT_EQ(TINYAI_SIMD_OP_ACTIVATION, 2);
  EXPECT_EQ(TINYAI_SIMD_OP_ATTENTION, 3);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wunused-result"

// That this compiles is what is tested.
TEST(Layout, ResultsMayBeIgnored) {
  tinyaiOpenMappedModel(nullptr, nullptr);
  tinyaiGetMappedLayerCount(nullptr);
  tinyaiGetLayerDescriptor(nullptr, 0);
  tinyaiGetLayerWeights(nullptr, 0);
  tinyaiPrefetchLayerWeights(nullptr, 0);
  tinyaiGetMappedModelMemoryUsage(nullptr);
  tinyaiCreateForwardScheduler(nullptr, TINYAI_EXEC_NORMAL, 0);
  tinyaiAddLayerToSchedule(nullptr, 0, -1, TINYAI_DEP_NONE, 0);
  tinyaiPrepareForwardPass(nullptr);
  tinyaiExecuteNextLayer(nullptr, nullptr, nullptr, nullptr);
  tinyaiCalculateOptimalBatchSize(nullptr, 0, 0, 1);
  tinyaiGetSchedulerMemoryUsage(nullptr);
  tinyaiGetSchedulerPeakMemoryUsage(nullptr);
  tinyaiIsLayerExecuted(nullptr, 0);
  tinyaiGetLayerOutput(nullptr, 0);
  tinyaiGetMemoryOptimizerStats(nullptr);
  tinyaiExecuteWithTensorReuse(nullptr, nullptr, nullptr);
  tinyaiOptimizeMemoryUsage(nullptr, nullptr, 0);
  tinyaiLoadLayer(nullptr, 0);
  tinyaiUnloadLayer(nullptr, 0);
  tinyaiGetLayerStatus(nullptr, 0);
  tinyaiGetProgressiveLoaderStats(nullptr);
  tinyaiCreateLayerScheduler(nullptr, nullptr);
  tinyaiCreateExecutionPlan(nullptr);
  tinyaiExecuteLayerWithMemoryOptimization(nullptr, 0, nullptr, nullptr);
  tinyaiSetLayerCheckpointingStrategy(nullptr, 0, TINYAI_CHECKPOINT_AUTO);
  tinyaiEstimateMemoryUsage(nullptr);
  tinyaiEnableSIMD(nullptr, TINYAI_SIMD_OP_CONV, true);
  tinyaiGetSIMDCapabilities();
  tinyaiConfigureCacheOptimization(nullptr, nullptr);
  tinyaiGetCacheStats(nullptr);
  tinyaiOptimizeMemoryLayout(nullptr);
  tinyaiApplyMixedPrecision(nullptr, nullptr);
  tinyaiPruneModel(nullptr, nullptr);
  tinyaiCalculatePruningSavings(nullptr);
  EXPECT_EQ(LastKey(), "ARG_NULL");
}

#pragma GCC diagnostic pop

}  // namespace
}  // namespace tinyai::capi
