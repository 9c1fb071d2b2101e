// What the API pages promise of memory and order, on models that are larger than what they may
// take.

#include <tinyai/tinyai.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "capi/chain_test_support.h"

namespace tinyai::capi {
namespace {

TEST(Promises, WalkingAModelTakesItsCacheAndNoMore) {
  if (!kResidentIsOurs) GTEST_SKIP() << "a sanitizer holds memory too";
  const std::string path = Chain(32, kWide);
  const size_t before = Resident();
  const TinyAIMmapConfig config = Config(4 * kMiB, true);
  const ModelHandle model = OpenModel(path, &config);
  EXPECT_LE(Growth(before), kMiB + 32 * 1024 + kSlack);
  for (int i = 0; i < 32; ++i) {
    Touch(model.get(), i);
    EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), 4 * kMiB);
    EXPECT_LE(Growth(before), 4 * kMiB + kSlack) << i;
  }
}

TEST(Promises, APassOverAModelLargerThanItsLimitStaysWithinIt) {
  if (!kResidentIsOurs) GTEST_SKIP() << "a sanitizer holds memory too";
  const std::string path = Chain(32, kWide);
  const size_t before = Resident();
  const ModelHandle model = OpenModel(path);
  const SchedulerHandle scheduler = MakeScheduler(model, 2 * kMiB);
  for (int i = 0; i < 32; ++i) AddChainLayer(scheduler, i);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  std::vector<float> output(kWide);
  int executed = 0;
  while (tinyaiExecuteNextLayer(scheduler.get(), nullptr, output.data(), nullptr)) {
    ++executed;
    EXPECT_LE(tinyaiGetSchedulerMemoryUsage(scheduler.get()), 2 * kMiB);
    EXPECT_LE(Growth(before), 2 * kMiB + kSlack + 32 * 1024);
  }
  EXPECT_EQ(executed, 32);
}

TEST(Promises, ReleasedLayersGiveTheirMemoryBack) {
  if (!kResidentIsOurs) GTEST_SKIP() << "a sanitizer holds memory too";
  const TinyAIMmapConfig config = Config(16 * kMiB);
  const ModelHandle model = OpenModel(Chain(8, kWide), &config);
  const size_t before = Resident();
  for (int i = 0; i < 8; ++i) Touch(model.get(), i);
  const size_t loaded = Resident();
  EXPECT_GE(loaded, before + 7 * kMiB);
  for (int i = 0; i < 8; ++i) tinyaiReleaseLayerWeights(model.get(), i);
  EXPECT_LE(Resident() + 7 * kMiB, loaded);
}

TEST(Promises, TheAdaptiveCacheFindsHalfOfACycleThatTheOtherMisses) {
  const std::string path = Chain(12, kWidth);
  for (const bool adaptive : {false, true}) {
    const TinyAIMmapConfig config = Config(6 * kSmallLayer, false, adaptive);
    const ModelHandle model = OpenModel(path, &config);
    for (int i = 0; i < 12; ++i) Touch(model.get(), i);
    const TinyAIMemoryStats first = StatsOf(model);
    EXPECT_EQ(first.loads, 12u) << "each once, and nothing before it was asked for";
    EXPECT_EQ(first.total_layers, 12u);
    EXPECT_EQ(first.total_model_size, 12 * kSmallLayer);
    for (int i = 0; i < 24; ++i) Touch(model.get(), i % 12);
    const TinyAIMemoryStats stats = StatsOf(model);
    EXPECT_EQ(stats.hits - first.hits + stats.loads - first.loads, 24u);
    EXPECT_LE(stats.peak_usage, 6 * kSmallLayer);
    EXPECT_EQ(stats.memory_budget, 6 * kSmallLayer);
    EXPECT_GT(stats.average_load_ms, 0);
    if (adaptive) {
      EXPECT_GE(stats.hits - first.hits, 10u);
    } else {
      EXPECT_EQ(stats.hits, 0u);
    }
  }
}

TEST(Promises, WhatIsCachedIsNotReadAgain) {
  const TinyAIMmapConfig config = Config(kMiB);
  const ModelHandle model = OpenModel(Chain(6, kWidth), &config);
  for (int i = 0; i < 18; ++i) Touch(model.get(), i % 6);
  EXPECT_EQ(StatsOf(model).loads, 6u);
  EXPECT_EQ(tinyaiGetCacheStats(model.get()).bytes_loaded, 6 * kSmallLayer);
}

TEST(Promises, SmallLayersCountAtLeastTheMinimum) {
  TinyAIMmapConfig config = Config(4 * kMiB);
  config.minLayerCacheSize = kMiB;
  const ModelHandle model = OpenModel(Chain(6, kWidth), &config);
  Touch(model.get(), 0);
  EXPECT_EQ(tinyaiGetMappedModelMemoryUsage(model.get()), kMiB);
  for (int i = 1; i < 6; ++i) Touch(model.get(), i);
  EXPECT_EQ(tinyaiGetMappedModelMemoryUsage(model.get()), 4 * kMiB);
  EXPECT_EQ(StatsOf(model).loaded_layers, 4u);
}

TEST(Promises, ALowerPriorityAlwaysGoesFirst) {
  for (const bool adaptive : {false, true}) {
    const TinyAIMmapConfig config = Config(3 * kSmallLayer, false, adaptive);
    const ModelHandle model = OpenModel(Chain(8, kWidth), &config);
    tinyaiSetLayerPriority(model.get(), 0, 2.0f);
    for (int i = 0; i < 24; ++i) Touch(model.get(), i % 8);
    EXPECT_TRUE(tinyaiGetLayerDescriptor(model.get(), 0)->isActive);
  }
}

TEST(Promises, ReadingAheadBringsTheNextLayersUnlessItIsOff) {
  const std::string path = Chain(12, kWidth);
  for (const bool ahead : {false, true}) {
    const TinyAIMmapConfig config = Config(kMiB, ahead);
    const ModelHandle model = OpenModel(path, &config);
    EXPECT_EQ(StatsOf(model).loads, 0u) << "an idle model does no I/O";
    for (int i = 0; i < 4; ++i) Touch(model.get(), i);
    if (!ahead) {
      EXPECT_EQ(StatsOf(model).prefetches, 0u);
      continue;
    }
    const bool& active = tinyaiGetLayerDescriptor(model.get(), 4)->isActive;
    for (int i = 0; i < 1000 && !__atomic_load_n(&active, __ATOMIC_RELAXED); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(__atomic_load_n(&active, __ATOMIC_RELAXED));
    EXPECT_GT(StatsOf(model).prefetches, 0u);
  }
}

TEST(Promises, HandlesMayBeGivenBackInAnyOrderAndNullIsOne) {
  ModelHandle model = OpenModel(Chain(3, kWidth));
  TinyAIModel* const same_type = model.get();
  TinyAIForwardScheduler* forward =
      tinyaiCreateForwardScheduler(same_type, TINYAI_EXEC_NORMAL, kMiB);
  TinyAILayerScheduler* layers = tinyaiCreateLayerScheduler(same_type, nullptr);
  TinyAIMemoryOptimizer* optimizer = tinyaiCreateMemoryOptimizer(nullptr);
  EXPECT_TRUE(tinyaiOptimizeMemoryUsage(optimizer, same_type, kMiB));
  tinyaiFreeMemoryOptimizer(optimizer);
  const SchedulerHandle limited = MakeScheduler(model, 0);
  model.reset();
  tinyaiDestroyForwardScheduler(forward);
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(layers, 2, nullptr, nullptr))
      << tinyaiGetErrorMessage();
  tinyaiFreeLayerScheduler(layers);
  for (int i = 0; i < 3; ++i) AddChainLayer(limited, i);
  EXPECT_TRUE(tinyaiPrepareForwardPass(limited.get())) << tinyaiGetErrorMessage();
  EXPECT_LE(tinyaiGetSchedulerPeakMemoryUsage(limited.get()), kMiB) << "what was set stays";
  tinyaiDestroyForwardScheduler(nullptr);
  tinyaiFreeLayerScheduler(nullptr);
  tinyaiFreeMemoryOptimizer(nullptr);
  tinyaiCloseMappedModel(nullptr);
}

TEST(Promises, TheSmallerBudgetOfTheOptimizerBinds) {
  const ModelHandle model = OpenModel(Chain(3, kWidth));
  const TinyAIMemoryOptimizerConfig config = {true, true, 0.5f, 1000};
  const Handle<TinyAIMemoryOptimizer> optimizer(tinyaiCreateMemoryOptimizer(&config),
                                                tinyaiFreeMemoryOptimizer);
  EXPECT_FALSE(tinyaiOptimizeMemoryUsage(optimizer.get(), model.get(), kMiB));
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
  EXPECT_EQ(tinyaiGetMemoryOptimizerStats(optimizer.get()).memory_budget, 1000u);
}

TEST(Promises, LayersMayBeAddedInAnyOrder) {
  const ModelHandle model = OpenModel(Chain(6, kWidth));
  std::vector<std::vector<float>> outputs;
  for (const std::array<int, 6>& added :
       {std::array{0, 1, 2, 3, 4, 5}, std::array{5, 4, 3, 2, 1, 0}, std::array{3, 0, 5, 1, 4, 2}}) {
    const SchedulerHandle scheduler = MakeScheduler(model, kMiB);
    for (const int layer : added) AddChainLayer(scheduler, layer);
    ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    std::vector<float> input(kWidth, 1.0f);
    std::vector<int> order;
    int layer = -1;
    outputs.emplace_back(kWidth);
    while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), outputs.back().data(), &layer)) {
      order.push_back(layer);
    }
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(outputs.back(), outputs.front());
  }
}

TEST(Promises, AChainOfEqualOutputsHoldsTwo) {
  for (const int layers : {3, 12, 40}) {
    const ModelHandle model = OpenModel(Chain(layers, kWidth));
    const SchedulerHandle scheduler = MakeScheduler(model, kMiB);
    for (int i = 0; i < layers; ++i) AddChainLayer(scheduler, i);
    ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    while (tinyaiExecuteNextLayer(scheduler.get(), nullptr, nullptr, nullptr)) {
      TinyAIMemoryBreakdown now;
      ASSERT_TRUE(tinyaiGetSchedulerMemoryBreakdown(scheduler.get(), &now));
      EXPECT_LE(now.activations, 2 * kWidth * sizeof(float));
    }
    EXPECT_EQ(LastKey(), "");
  }
}

// Query, key and value are what the layer's dependencies say, in their order.
TEST(Promises, AttentionGetsQueryKeyAndValueInTheOrderAdded) {
  constexpr int kTokens = 4;
  const Handle<TinyAIModelBuilder> builder(tinyaiCreateModelBuilder("attention"),
                                           tinyaiFreeModelBuilder);
  const size_t shape[] = {kTokens, kWidth};
  const int x = tinyaiBuilderAddInput(builder.get(), "x", shape, 2);
  std::array<std::vector<float>, 3> weights;
  int qkv[3];
  for (int i = 0; i < 3; ++i) {
    const std::string name = fmt::format("dense.{}", i);
    const auto at = static_cast<size_t>(i);
    weights[at] = SomeWeights(kWidth, kWidth, static_cast<uint32_t>(i));
    const int weight = tinyaiBuilderAddWeight(builder.get(), name.c_str(), "F32", kWidth, kWidth,
                                              weights[at].data());
    qkv[i] = tinyaiBuilderAddOp(builder.get(), name.c_str(), "dense", nullptr, &x, 1, &weight, 1);
    tinyaiBuilderEndLayer(builder.get(), name.c_str(), TINYAI_LAYER_ROLE_ATTENTION);
  }
  ASSERT_GE(tinyaiBuilderAddOp(builder.get(), "attend", "attention",
                               "heads=4 kv_heads=4 scale=0.25", qkv, 3, nullptr, 0),
            0)
      << tinyaiGetErrorMessage();
  tinyaiBuilderEndLayer(builder.get(), "attend", TINYAI_LAYER_ROLE_ATTENTION);
  const std::string path = (Scratch().path() / "attention.tmai").string();
  ASSERT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
  const ModelHandle model = OpenModel(path);
  const std::vector<float> input = SomeWeights(kTokens, kWidth, 7);
  const auto run = [&](std::array<int, 3> order) {
    const SchedulerHandle scheduler = MakeScheduler(model, kMiB);
    for (int i = 0; i < 3; ++i) {
      tinyaiAddLayerToSchedule(scheduler.get(), i, -1, TINYAI_DEP_NONE, 0);
    }
    EXPECT_FALSE(tinyaiAddLayerToSchedule(scheduler.get(), 3, -1, TINYAI_DEP_ATTENTION, 0));
    for (const int from : order) {
      EXPECT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), 3, from, TINYAI_DEP_ATTENTION, 0));
    }
    EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    std::vector<float> output(kTokens * kWidth);
    while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
    }
    EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
    return output;
  };
  const int shape_of[] = {kTokens, kWidth};
  const Handle<TinyAITensor> in(tinyaiCreateTensor(shape_of, 2, TINYAI_TENSOR_FLOAT32),
                                tinyaiFreeTensor);
  const Handle<TinyAITensor> out(tinyaiCreateTensor(shape_of, 2, TINYAI_TENSOR_FLOAT32),
                                 tinyaiFreeTensor);
  std::memcpy(tinyaiGetTensorData(in.get()), input.data(), input.size() * sizeof(float));
  const Handle<TinyAILayerScheduler> own(tinyaiCreateLayerScheduler(model.get(), nullptr),
                                         tinyaiFreeLayerScheduler);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(own.get(), i, i < 3 ? in.get() : nullptr,
                                                         i < 3 ? nullptr : out.get()))
        << tinyaiGetErrorMessage();
  }
  const auto* values = static_cast<const float*>(tinyaiGetTensorData(out.get()));
  const std::vector<float> by_the_file(values, values + kTokens * kWidth);
  EXPECT_EQ(run({0, 1, 2}), by_the_file);
  EXPECT_NE(run({1, 0, 2}), by_the_file);
  EXPECT_NE(run({0, 2, 1}), by_the_file);
}

TEST(Promises, LayersWithoutWeightsCountAndGiveAPointer) {
  DenseModel dense(kWidth);
  const int first = dense.Dense(dense.input());
  dense.Add(first, dense.Dense(first));
  const ModelHandle model = OpenModel(dense.Save());
  EXPECT_EQ(tinyaiGetMappedLayerCount(model.get()), 3);
  EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), 2)->size, 0u);
  EXPECT_NE(tinyaiGetLayerWeights(model.get(), 2), nullptr);
}

TEST(Promises, LessMemoryIsNeverMoreThanMoreSpeed) {
  const ModelHandle model = OpenModel(Chain(12, kWidth));
  size_t last = 0;
  for (const float speed : {0.0f, 0.5f, 1.0f}) {
    const TinyAILayerSchedulerConfig config = {true, speed, true, 0};
    const Handle<TinyAILayerScheduler> scheduler(tinyaiCreateLayerScheduler(model.get(), &config),
                                                 tinyaiFreeLayerScheduler);
    const TinyAIMemoryEstimate estimate = tinyaiEstimateMemoryUsage(scheduler.get());
    EXPECT_GE(estimate.peak_memory, last) << speed;
    EXPECT_GT(estimate.peak_memory, 0u);
    EXPECT_LE(estimate.weights_memory + estimate.activation_memory + estimate.workspace_memory,
              estimate.peak_memory);
    EXPECT_EQ(estimate.recompute_overhead, 0) << "of a chain of dense layers";
    last = estimate.peak_memory;
  }
}

}  // namespace
}  // namespace tinyai::capi
