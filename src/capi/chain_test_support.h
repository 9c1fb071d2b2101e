#pragma once

// Chains of dense layers, schedulers over them, and what the process holds meanwhile.

#include <tinyai/tinyai.h>

#include "capi/capi_test_support.h"

namespace tinyai::capi {

inline constexpr size_t kMiB = size_t{1} << 20;
inline constexpr size_t kSlack = 8 * kMiB;
inline constexpr int kWidth = 64;
inline constexpr size_t kSmallLayer = kWidth * kWidth * sizeof(float);
inline constexpr int kWide = 512;  // a layer has 1 MiB
using SchedulerHandle = Handle<TinyAIForwardScheduler>;
using LayersHandle = Handle<TinyAILayerScheduler>;

inline std::string Chain(int layers, size_t width) {
  DenseModel dense(width);
  int value = dense.input();
  for (int i = 0; i < layers; ++i) value = dense.Dense(value);
  return dense.Save();
}

// Sanitizers hold memory of their own for what a program reads.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kResidentIsOurs = false;
#else
inline constexpr bool kResidentIsOurs = true;
#endif

// Bytes of this process that are in memory, exactly.
inline size_t Resident() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  size_t kilobytes = 0;
  while (file >> word) {
    if (word == "Rss:") file >> kilobytes;
  }
  EXPECT_GT(kilobytes, 0u);
  return kilobytes * 1024;
}

// So much more than `before`; 0 if it is less.
inline size_t Growth(size_t before) {
  const size_t now = Resident();
  return now > before ? now - before : 0;
}

// Reads all of the layer.
inline float Touch(TinyAIMappedModel* model, int layer) {
  const auto* weights = static_cast<const float*>(tinyaiGetLayerWeights(model, layer));
  EXPECT_NE(weights, nullptr) << tinyaiGetErrorMessage();
  float sum = 0;
  const size_t count = tinyaiGetLayerDescriptor(model, layer)->size / sizeof(float);
  for (size_t i = 0; weights != nullptr && i < count; ++i) sum += weights[i];
  return sum;
}

inline TinyAIMmapConfig Config(size_t bytes, bool prefetch = false, bool adaptive = true) {
  TinyAIMmapConfig config = tinyaiCreateDefaultMmapConfig();
  config.maxCacheSize = bytes;
  config.prefetchEnabled = prefetch;
  config.adaptiveCaching = adaptive;
  return config;
}

inline TinyAIMemoryStats StatsOf(const ModelHandle& model) {
  TinyAIMemoryStats stats;
  EXPECT_TRUE(tinyaiGetModelStats(model.get(), &stats));
  return stats;
}

inline SchedulerHandle MakeScheduler(const ModelHandle& model, size_t memory,
                                     TinyAIExecutionMode mode = TINYAI_EXEC_MEMORY_OPT) {
  return {tinyaiCreateForwardScheduler(model.get(), mode, memory), tinyaiDestroyForwardScheduler};
}

inline void AddChainLayer(const SchedulerHandle& scheduler, int layer) {
  EXPECT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), layer, layer - 1,
                                       layer > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE, 0))
      << tinyaiGetErrorMessage();
}

}  // namespace tinyai::capi
