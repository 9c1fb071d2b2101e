// Each limit bounds its own set, all hold at once, and what the switches do to memory shows.

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <random>
#include <set>
#include <thread>

#include "capi/chain_test_support.h"

namespace tinyai::capi {
namespace {

using OptimizerHandle = Handle<TinyAIMemoryOptimizer>;

struct ChainRun {
  std::vector<float> output;
  size_t peak = 0;
  TinyAIMemoryBreakdown at_start = {};
};

// One pass over a chain, with everything held to its limits after each layer.
ChainRun RunChain(const ModelHandle& model, const SchedulerHandle& scheduler, size_t limit,
                  size_t cache_limit) {
  ChainRun run{.output = std::vector<float>(kWidth)};
  for (int i = 0; i < tinyaiGetMappedLayerCount(model.get()); ++i) AddChainLayer(scheduler, i);
  EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  EXPECT_TRUE(tinyaiGetSchedulerMemoryBreakdown(scheduler.get(), &run.at_start));
  const std::vector<float> input(kWidth, 1.0f);
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), run.output.data(), nullptr)) {
    EXPECT_LE(tinyaiGetSchedulerMemoryUsage(scheduler.get()), limit);
    EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), cache_limit);
  }
  EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
  run.peak = tinyaiGetSchedulerPeakMemoryUsage(scheduler.get());
  return run;
}

TEST(Limits, EachBoundsItsOwnSetAndAllHoldAtOnce) {
  const std::string path = Chain(12, kWidth);
  constexpr size_t kCache = 5 * kSmallLayer;
  const TinyAIMmapConfig config = Config(kCache);
  std::vector<float> expected;
  for (const TinyAIExecutionMode mode :
       {TINYAI_EXEC_MEMORY_OPT, TINYAI_EXEC_STREAMING, TINYAI_EXEC_ADAPTIVE}) {
    const ModelHandle model = OpenModel(path, &config);
    const SchedulerHandle scheduler = MakeScheduler(model, kMiB, mode);
    const ChainRun run = RunChain(model, scheduler, kMiB, kCache);
    EXPECT_LE(run.at_start.resident_weights, kCache) << mode;
    EXPECT_GT(run.at_start.streamed_weights, 0u) << mode;
    EXPECT_NE(tinyaiGetSchedulerMode(scheduler.get()), TINYAI_EXEC_NORMAL);
    if (expected.empty()) expected = run.output;
    EXPECT_EQ(run.output, expected);
    EXPECT_NE(tinyaiGetLayerWeights(model.get(), 3), nullptr) << "beside the scheduler's";
    EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), kCache);
  }
}

TEST(Limits, TheErrorNamesTheLimitThatBinds) {
  const TinyAIMmapConfig config = Config(5 * kSmallLayer);
  const ModelHandle model = OpenModel(Chain(12, kWidth), &config);
  const auto message_has = [](const char* word) {
    return std::string_view(tinyaiGetErrorMessage()).find(word) != std::string_view::npos;
  };
  const SchedulerHandle normal = MakeScheduler(model, kMiB, TINYAI_EXEC_NORMAL);
  for (int i = 0; i < 12; ++i) AddChainLayer(normal, i);
  EXPECT_FALSE(tinyaiPrepareForwardPass(normal.get()));
  EXPECT_EQ(LastKey(), "CACHE_FULL");
  EXPECT_TRUE(message_has("maxCacheSize")) << tinyaiGetErrorMessage();
  const SchedulerHandle small = MakeScheduler(model, 2000);
  for (int i = 0; i < 12; ++i) AddChainLayer(small, i);
  EXPECT_FALSE(tinyaiPrepareForwardPass(small.get()));
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
  EXPECT_TRUE(message_has("layer ")) << tinyaiGetErrorMessage();
  EXPECT_TRUE(message_has("2000")) << tinyaiGetErrorMessage();
  const TinyAIProgressiveLoaderConfig loader_config = {false, 0, false, kSmallLayer / 2};
  const Handle<TinyAIProgressiveLoader> loader(tinyaiCreateProgressiveLoader(&loader_config),
                                               tinyaiFreeProgressiveLoader);
  EXPECT_TRUE(tinyaiAttachProgressiveLoader(loader.get(), model.get()));
  EXPECT_FALSE(tinyaiLoadLayer(loader.get(), 0));
  EXPECT_EQ(LastKey(), "LAYER_TOO_LARGE");
  EXPECT_TRUE(message_has("max_memory_usage")) << tinyaiGetErrorMessage();
  const TinyAILayerSchedulerConfig tiny = {false, 0.5f, false, 100};
  const LayersHandle layers(tinyaiCreateLayerScheduler(model.get(), &tiny),
                            tinyaiFreeLayerScheduler);
  EXPECT_EQ(tinyaiCreateExecutionPlan(layers.get()), nullptr);
  EXPECT_TRUE(message_has("max_activation_memory")) << tinyaiGetErrorMessage();
}

TEST(Limits, WeightsOfALayerSchedulerCountInTheCacheToo) {
  const TinyAIMmapConfig config = Config(5 * kSmallLayer);
  const ModelHandle model = OpenModel(Chain(12, kWidth), &config);
  const LayersHandle layers(tinyaiCreateLayerScheduler(model.get(), nullptr),
                            tinyaiFreeLayerScheduler);
  ASSERT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(layers.get(), 11, nullptr, nullptr))
      << tinyaiGetErrorMessage();
  EXPECT_LE(tinyaiGetMappedModelMemoryUsage(model.get()), 5 * kSmallLayer);
  const TinyAILayerSchedulerConfig keeps = {false, 1, false, 0};
  const LayersHandle all(tinyaiCreateLayerScheduler(model.get(), &keeps), tinyaiFreeLayerScheduler);
  ASSERT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(all.get(), 11, nullptr, nullptr))
      << tinyaiGetErrorMessage();
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(all.get(), 3, nullptr, nullptr))
      << "without checkpointing outputs stay, whatever the weights do";
}

TEST(Limits, TheEstimateIsWhatAPassTakes) {
  for (const float speed : {0.0f, 0.5f, 1.0f}) {
    const ModelHandle model = OpenModel(Chain(12, kWidth));
    const TinyAILayerSchedulerConfig config = {true, speed, true, 0};
    const LayersHandle layers(tinyaiCreateLayerScheduler(model.get(), &config),
                              tinyaiFreeLayerScheduler);
    const TinyAIMemoryEstimate estimate = tinyaiEstimateMemoryUsage(layers.get());
    ASSERT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(layers.get(), 11, nullptr, nullptr));
    TinyAIMemoryStats stats;
    ASSERT_TRUE(tinyaiGetLayerSchedulerStats(layers.get(), &stats));
    EXPECT_LE(stats.peak_usage, estimate.peak_memory);
    EXPECT_LE(static_cast<double>(estimate.peak_memory),
              1.1 * static_cast<double>(stats.peak_usage));
    EXPECT_LE(stats.current_usage, stats.peak_usage);
    EXPECT_EQ(stats.total_layers, 12u);
    EXPECT_LE(estimate.average_memory, estimate.peak_memory);
    EXPECT_GE(estimate.average_memory, estimate.peak_memory - estimate.activation_memory);
  }
}

// A chain whose first result is added to its last.
struct Skip {
  DenseModel dense{kWidth};
  int layers = 0;
  std::string path;
  explicit Skip(int between) {
    const int first = dense.Dense(dense.input());
    int value = first;
    for (int i = 0; i < between; ++i) value = dense.Dense(value);
    dense.Add(value, first);
    layers = between + 2;
    path = dense.Save();
  }
};

// x -> relu -> dense, many times: what the activation makes may lie where its operand was.
std::string ActivationChain() {
  const Handle<TinyAIModelBuilder> builder(tinyaiCreateModelBuilder("in place"),
                                           tinyaiFreeModelBuilder);
  const size_t shape[] = {4 * kWidth};
  int value = tinyaiBuilderAddInput(builder.get(), "x", shape, 1);
  for (int i = 0; i < 3; ++i) {
    const std::string name = fmt::format("relu.{}", i);
    value = tinyaiBuilderAddOp(builder.get(), name.c_str(), "activation", "function=relu", &value,
                               1, nullptr, 0);
    EXPECT_GE(value, 0) << tinyaiGetErrorMessage();
    tinyaiBuilderEndLayer(builder.get(), name.c_str(), TINYAI_LAYER_ROLE_OTHER);
  }
  const std::string path = (Scratch().path() / "in_place.tmai").string();
  EXPECT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
  return path;
}

TEST(Limits, InPlaceIsASwitchThatChangesMemoryAndNoBit) {
  const ModelHandle model = OpenModel(ActivationChain());
  const TinyAIMemoryOptimizerConfig config = {true, true, 0.5f, 0};
  const OptimizerHandle optimizer(tinyaiCreateMemoryOptimizer(&config), tinyaiFreeMemoryOptimizer);
  ASSERT_TRUE(tinyaiOptimizeMemoryUsage(optimizer.get(), model.get(), kMiB));
  const SchedulerHandle scheduler = MakeScheduler(model, 0);
  for (int i = 0; i < 3; ++i) AddChainLayer(scheduler, i);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  const std::vector<float> input = SomeWeights(1, 4 * kWidth, 3);
  const auto run = [&] {
    std::vector<float> output(4 * kWidth);
    while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
    }
    EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
    tinyaiResetScheduler(scheduler.get());
    return output;
  };
  TinyAIMemoryBreakdown bytes;
  const std::vector<float> first = run();
  ASSERT_TRUE(tinyaiGetSchedulerMemoryBreakdown(scheduler.get(), &bytes));
  const size_t in_place = bytes.planned_peak;
  const size_t count = tinyaiGetMemoryOptimizerStats(optimizer.get()).in_place_count;
  EXPECT_GE(count, 2u);
  tinyaiEnableInPlaceOperations(optimizer.get(), false);
  EXPECT_EQ(run(), first);
  ASSERT_TRUE(tinyaiGetSchedulerMemoryBreakdown(scheduler.get(), &bytes));
  EXPECT_GT(bytes.planned_peak, in_place);
  EXPECT_EQ(tinyaiGetMemoryOptimizerStats(optimizer.get()).in_place_count, count);
  tinyaiEnableInPlaceOperations(optimizer.get(), true);
  EXPECT_EQ(run(), first);
  EXPECT_EQ(tinyaiGetMemoryOptimizerStats(optimizer.get()).in_place_count, 2 * count);
}

TEST(Limits, ThePeakSaysWhichLayerAndWhoseOutputs) {
  const Skip skip(4);
  const ModelHandle model = OpenModel(skip.path);
  const SchedulerHandle scheduler = MakeScheduler(model, kMiB);
  EXPECT_EQ(tinyaiGetSchedulerPeakLayer(scheduler.get(), nullptr), -1);
  EXPECT_EQ(tinyaiGetSchedulerPeakOutputs(scheduler.get(), nullptr, nullptr, 0), 0);
  for (int i = 0; i + 1 < skip.layers; ++i) AddChainLayer(scheduler, i);
  const int last = skip.layers - 1;
  tinyaiAddLayerToSchedule(scheduler.get(), last, last - 1, TINYAI_DEP_SEQUENTIAL, 0);
  tinyaiAddLayerToSchedule(scheduler.get(), last, 0, TINYAI_DEP_RESIDUAL, 0);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  TinyAIMemoryBreakdown at_peak;
  const int layer = tinyaiGetSchedulerPeakLayer(scheduler.get(), &at_peak);
  EXPECT_GE(layer, 2) << "from there on three outputs are held";
  EXPECT_LE(layer, last);
  constexpr size_t kOutput = kWidth * sizeof(float);
  EXPECT_EQ(at_peak.activations, 3 * kOutput);
  EXPECT_EQ(at_peak.planned_peak, at_peak.resident_weights + at_peak.streamed_weights +
                                      at_peak.activations + at_peak.workspace);
  std::array<int, 8> layers;
  std::array<size_t, 8> bytes;
  ASSERT_EQ(tinyaiGetSchedulerPeakOutputs(scheduler.get(), layers.data(), bytes.data(), 8), 3);
  EXPECT_EQ(std::set(layers.begin(), layers.begin() + 3), (std::set<int>{0, layer - 1, layer}));
  EXPECT_EQ(bytes[0], kOutput);
}

TEST(Limits, AMarkedOutputGivesItsPagesBack) {
  if (!kResidentIsOurs) GTEST_SKIP() << "a sanitizer holds memory too";
  constexpr int kBatch = 1024;
  constexpr size_t kOutput = size_t{kBatch} * kWide * sizeof(float);  // 2 MiB
  const ModelHandle model = OpenModel(Chain(4, kWide));
  const SchedulerHandle scheduler = MakeScheduler(model, 0, TINYAI_EXEC_NORMAL);
  ASSERT_TRUE(tinyaiSetSchedulerBatchSize(scheduler.get(), kBatch));
  for (int i = 0; i < 4; ++i) AddChainLayer(scheduler, i);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  while (tinyaiExecuteNextLayer(scheduler.get(), nullptr, nullptr, nullptr)) {
  }
  const size_t held = tinyaiGetSchedulerMemoryUsage(scheduler.get());
  const size_t resident = Resident();
  for (int i = 0; i < 3; ++i) tinyaiMarkLayerOutputUnneeded(scheduler.get(), i);
  EXPECT_EQ(tinyaiGetSchedulerMemoryUsage(scheduler.get()), held - 3 * kOutput);
  EXPECT_LE(Resident(), resident - 2 * kOutput);
  EXPECT_NE(tinyaiGetLayerOutput(scheduler.get(), 3), nullptr);
}

TEST(Limits, NoStepHoldsTheWholeModel) {
  if (!kResidentIsOurs) GTEST_SKIP() << "a sanitizer holds memory too";
  const std::string path = Chain(32, kWide);
  const size_t before = Resident();
  const TinyAIMmapConfig config = Config(4 * kMiB);
  const ModelHandle model = OpenModel(path, &config);
  EXPECT_LE(Growth(before), kSlack);
  TinyAIMixedPrecisionConfig precision;
  tinyaiInitMixedPrecisionConfig(&precision);
  precision.ffnPrecision = TINYAI_PREC_INT8;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &precision)) << tinyaiGetErrorMessage();
  EXPECT_LE(Growth(before), kSlack);
  TinyAIPruneConfig prune;
  tinyaiInitPruneConfig(&prune);
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &prune)) << tinyaiGetErrorMessage();
  EXPECT_LE(Growth(before), kSlack);
}

TEST(Limits, ReadingAheadHelpsInOrderAndStopsByItselfAtRandom) {
  constexpr int kLayers = 24;
  TinyAIMmapConfig config = Config(kLayers / 2 * kSmallLayer, true);
  const ModelHandle model = OpenModel(Chain(kLayers, kWidth), &config);
  for (int i = 0; i < kLayers; ++i) {
    Touch(model.get(), i);
    // The work with the layer, in which the next one is read.
    const int next = (i + 1) % kLayers;
    const bool& active = tinyaiGetLayerDescriptor(model.get(), next)->isActive;
    for (int wait = 0; wait < 1000 && !__atomic_load_n(&active, __ATOMIC_RELAXED); ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  const TinyAIMemoryStats in_order = StatsOf(model);
  EXPECT_GE(in_order.prefetch_hits, kLayers - 2u) << "the reads were hidden";
  EXPECT_EQ(in_order.prefetch_wasted, 0u);
  uint32_t random = 1;
  const auto access = [&](int count) {
    for (int i = 0; i < count; ++i) {
      random = random * 1664525u + 1013904223u;
      Touch(model.get(), static_cast<int>(random >> 16) % kLayers);
    }
  };
  access(2 * kLayers);
  const TinyAIMemoryStats settled = StatsOf(model);
  access(200);
  EXPECT_LE(StatsOf(model).prefetches, settled.prefetches + 10);
}

TEST(Limits, AFailedPassOfATextGoesOnWhereItFailed) {
  FaultyCalls calls;
  std::atomic<bool> broken = false;
  calls.on_read = [&](uint64_t, int64_t result) { return broken ? -EIO : result; };
  const ReplacedSystemCalls replaced(calls);
  const ModelHandle model = OpenModel(MakeTextModel());
  const int layers = tinyaiGetMappedLayerCount(model.get());
  const auto run = [&](int fail_at) {
    const SchedulerHandle scheduler = MakeScheduler(model, 400'000, TINYAI_EXEC_STREAMING);
    for (int i = 0; i < layers; ++i) {
      EXPECT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                           i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE,
                                           i + 1 == layers ? 1024 : 0));
    }
    TinyAITextSettings settings;
    tinyaiInitTextSettings(&settings);
    settings.max_new_tokens = 6;
    EXPECT_TRUE(tinyaiSetSchedulerTextSettings(scheduler.get(), &settings));
    EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    std::string text(1024, '\0');
    int failures = 0, layer = 0;
    for (int calls_made = 0; failures < 100; ++calls_made) {
      if (calls_made == fail_at) broken = true;
      if (tinyaiExecuteNextLayer(scheduler.get(), "ab", text.data(), &layer)) continue;
      if (layer < 0) break;
      EXPECT_EQ(LastKey(), "IO_READ") << tinyaiGetErrorMessage();
      if (++failures == 2) broken = false;  // the first retry fails too
    }
    EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
    EXPECT_EQ(failures, fail_at < 0 ? 0 : 2);
    return std::string(text.c_str());
  };
  const std::string expected = run(-1);
  EXPECT_GT(expected.size(), 2u);
  EXPECT_EQ(run(2), expected) << "in the prompt";
  EXPECT_EQ(run(14), expected) << "in the text";
}

// The least that any order of execution holds at once, by trying all of them. Outputs of `parent`
// trees: of widths[i] floats; sinks stay.
size_t LeastOfAllOrders(const std::vector<int>& parent, const std::vector<size_t>& widths) {
  const auto count = static_cast<uint32_t>(parent.size());
  const auto live_after = [&](uint32_t done) {
    size_t live = 0;
    for (uint32_t i = 0; i < count; ++i) {
      if ((done >> i & 1) == 0) continue;
      bool read = false, waits = false;
      for (uint32_t j = 0; j < count; ++j) {
        if (parent[j] != static_cast<int>(i)) continue;
        read = true;
        waits |= (done >> j & 1) == 0;
      }
      if (waits || !read) live += widths[i];
    }
    return live;
  };
  std::vector<size_t> least(size_t{1} << count, ~size_t{0});
  least[0] = 0;
  for (uint32_t done = 0; done + 1 < least.size(); ++done) {
    if (least[done] == ~size_t{0}) continue;
    for (uint32_t i = 0; i < count; ++i) {
      const bool ready = parent[i] < 0 || (done >> parent[i] & 1) != 0;
      if ((done >> i & 1) != 0 || !ready) continue;
      const size_t input = parent[i] < 0 ? kWidth : 0;
      size_t& to = least[done | 1u << i];
      to = std::min(to, std::max(least[done], live_after(done) + input + widths[i]));
    }
  }
  return least.back() * sizeof(float);
}

TEST(Limits, TheOrderIsOneOfLeastMemory) {
  std::mt19937 random(7);
  for (int net = 0; net < 12; ++net) {
    constexpr int kLayers = 8;
    const Handle<TinyAIModelBuilder> builder(tinyaiCreateModelBuilder("tree"),
                                             tinyaiFreeModelBuilder);
    const size_t shape[] = {kWidth};
    std::vector<int> parent, values;
    std::vector<size_t> widths;
    std::deque<std::vector<float>> weights;
    const int x = tinyaiBuilderAddInput(builder.get(), "x", shape, 1);
    for (int i = 0; i < kLayers; ++i) {
      parent.push_back(i == 0 ? -1 : static_cast<int>(random() % static_cast<unsigned>(i)));
      const int from = i == 0 ? x : values[static_cast<size_t>(parent.back())];
      const size_t in = i == 0 ? kWidth : widths[static_cast<size_t>(parent.back())];
      widths.push_back(16 * (1 + random() % 16));
      weights.push_back(SomeWeights(widths.back(), in, static_cast<uint32_t>(i)));
      const std::string name = fmt::format("dense.{}", i);
      const int weight = tinyaiBuilderAddWeight(builder.get(), name.c_str(), "F32", widths.back(),
                                                in, weights.back().data());
      values.push_back(
          tinyaiBuilderAddOp(builder.get(), name.c_str(), "dense", nullptr, &from, 1, &weight, 1));
      tinyaiBuilderEndLayer(builder.get(), name.c_str(), TINYAI_LAYER_ROLE_FFN);
    }
    const std::string path = (Scratch().path() / fmt::format("tree{}.tmai", net)).string();
    ASSERT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
    const ModelHandle model = OpenModel(path);
    const SchedulerHandle scheduler = MakeScheduler(model, 8 * kMiB);
    for (int i = 0; i < kLayers; ++i) {
      const int on = parent[static_cast<size_t>(i)];
      ASSERT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), i, on,
                                           on < 0 ? TINYAI_DEP_NONE : TINYAI_DEP_SEQUENTIAL, 0));
    }
    ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    TinyAIMemoryBreakdown at_peak;
    ASSERT_GE(tinyaiGetSchedulerPeakLayer(scheduler.get(), &at_peak), 0);
    EXPECT_EQ(at_peak.activations, LeastOfAllOrders(parent, widths)) << net;
  }
}

}  // namespace
}  // namespace tinyai::capi
