#include <tinyai/utils/forward_scheduler.h>

#include <climits>
#include <cstring>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

constexpr int kWidth = 64;
using SchedulerHandle = Handle<TinyAIForwardScheduler>;

SchedulerHandle MakeScheduler(const ModelHandle& model, TinyAIExecutionMode mode,
                              size_t memory = 0) {
  TinyAIForwardScheduler* scheduler = tinyaiCreateForwardScheduler(model.get(), mode, memory);
  EXPECT_NE(scheduler, nullptr) << tinyaiGetErrorMessage();
  return {scheduler, tinyaiDestroyForwardScheduler};
}

void AddChain(const SchedulerHandle& scheduler, int layers, size_t bytes = kWidth * 4) {
  for (int i = 0; i < layers; ++i) {
    EXPECT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                         i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE, bytes));
  }
}

std::string ChainFile(int layers) {
  DenseModel dense(kWidth);
  int value = dense.input();
  for (int i = 0; i < layers; ++i) value = dense.Dense(value);
  return dense.Save();
}

std::vector<float> Input() {
  std::vector<float> input(kWidth);
  for (int i = 0; i < kWidth; ++i) input[static_cast<size_t>(i)] = static_cast<float>(i % 7) - 3;
  return input;
}

// Runs a pass and returns the order of the layers; `output` gets the result.
std::vector<int> RunPass(const SchedulerHandle& scheduler, const void* input, void* output) {
  std::vector<int> order;
  int layer = -2;
  while (tinyaiExecuteNextLayer(scheduler.get(), input, output, &layer)) order.push_back(layer);
  EXPECT_EQ(layer, -1);
  EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
  return order;
}

TEST(ForwardScheduler, AChainGivesTheSameBitsInEveryModeAndWithinEveryLimit) {
  const ModelHandle model = OpenModel(ChainFile(12));
  std::vector<float> first;
  size_t peaks[3] = {};
  for (const auto mode :
       {TINYAI_EXEC_NORMAL, TINYAI_EXEC_MEMORY_OPT, TINYAI_EXEC_STREAMING, TINYAI_EXEC_ADAPTIVE}) {
    const SchedulerHandle scheduler = MakeScheduler(model, mode, 1 << 20);
    AddChain(scheduler, 12);
    ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    TinyAIMemoryBreakdown planned;
    ASSERT_TRUE(tinyaiGetSchedulerMemoryBreakdown(scheduler.get(), &planned));
    std::vector<float> output(kWidth + 1, 99);
    const std::vector<int> order = RunPass(scheduler, Input().data(), output.data());
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
    EXPECT_EQ(output[kWidth], 99) << "nothing is written beyond the result";
    if (first.empty()) first = output;
    EXPECT_EQ(std::memcmp(first.data(), output.data(), kWidth * 4), 0) << mode;
    const size_t peak = tinyaiGetSchedulerPeakMemoryUsage(scheduler.get());
    EXPECT_EQ(peak, planned.planned_peak);
    EXPECT_LE(tinyaiGetSchedulerMemoryUsage(scheduler.get()), peak);
    EXPECT_LE(peak, size_t{1} << 20);
    if (mode < 3) peaks[mode] = peak;
  }
  EXPECT_LE(peaks[2], peaks[1]);
  EXPECT_LE(peaks[1], peaks[0]);
}

TEST(ForwardScheduler, ComputesWhatTheReferenceDoes) {
  DenseModel dense(kWidth);
  dense.Dense(dense.Dense(dense.input()));
  const ModelHandle model = OpenModel(dense.Save());
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_ADAPTIVE);
  AddChain(scheduler, 2);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get()));
  const std::vector<float> input = Input();
  std::vector<float> output(kWidth);
  RunPass(scheduler, input.data(), output.data());
  const std::vector<double> expected =
      dense.Apply(1, dense.Apply(0, std::vector<double>(input.begin(), input.end())));
  for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(output[i], expected[i], 1e-4) << i;
}

// The example of the API page: op(x2 + x3), though the model's own graph has a sum of its own.
TEST(ForwardScheduler, AnOperandOfALayerWithSeveralDependenciesIsTheirSum) {
  DenseModel dense(kWidth);
  int value = dense.input();
  for (int i = 0; i < 4; ++i) value = dense.Dense(value);
  const ModelHandle model = OpenModel(dense.Save());
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT);
  TinyAIForwardScheduler* const s = scheduler.get();
  ASSERT_TRUE(tinyaiAddLayerToSchedule(s, 0, -1, TINYAI_DEP_NONE, 0));
  ASSERT_TRUE(tinyaiAddLayerToSchedule(s, 1, 0, TINYAI_DEP_SEQUENTIAL, 0));
  ASSERT_TRUE(tinyaiAddLayerToSchedule(s, 2, 0, TINYAI_DEP_RESIDUAL, 0));
  ASSERT_TRUE(tinyaiAddLayerToSchedule(s, 3, 1, TINYAI_DEP_SEQUENTIAL, 0));
  ASSERT_TRUE(tinyaiAddLayerToSchedule(s, 3, 2, TINYAI_DEP_SEQUENTIAL, 0));
  int layers[4];
  TinyAIDependencyType types[4];
  EXPECT_EQ(tinyaiGetLayerDependencies(s, 3, layers, types, 4), 2);
  EXPECT_EQ(layers[1], 2);
  ASSERT_TRUE(tinyaiPrepareForwardPass(s)) << tinyaiGetErrorMessage();
  const std::vector<float> input = Input();
  std::vector<float> output(kWidth);
  EXPECT_EQ(RunPass(scheduler, input.data(), output.data()).size(), 4u);
  const std::vector<double> x0 = dense.Apply(0, {input.begin(), input.end()});
  std::vector<double> sum = dense.Apply(1, x0);
  const std::vector<double> x2 = dense.Apply(2, x0);
  for (size_t i = 0; i < kWidth; ++i) sum[i] += x2[i];
  const std::vector<double> expected = dense.Apply(3, sum);
  for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(output[i], expected[i], 1e-4) << i;
}

TEST(ForwardScheduler, OutputsAreThereAsLongAsTheModeSays) {
  const ModelHandle model = OpenModel(ChainFile(4));
  const SchedulerHandle normal = MakeScheduler(model, TINYAI_EXEC_NORMAL);
  AddChain(normal, 4, 1000);
  ASSERT_TRUE(tinyaiPrepareForwardPass(normal.get()));
  EXPECT_FALSE(tinyaiIsLayerExecuted(normal.get(), 0));
  RunPass(normal, nullptr, nullptr);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(tinyaiIsLayerExecuted(normal.get(), i));
    EXPECT_NE(tinyaiGetLayerOutput(normal.get(), i), nullptr) << i;
  }
  TinyAIExecLayer layer;
  ASSERT_TRUE(tinyaiGetExecLayer(normal.get(), 1, &layer));
  EXPECT_EQ(layer.dependsOnLayer, 0);
  EXPECT_EQ(layer.depType, TINYAI_DEP_SEQUENTIAL);
  EXPECT_TRUE(layer.executed);
  EXPECT_TRUE(layer.outputNeeded);
  EXPECT_EQ(layer.outputPtr, tinyaiGetLayerOutput(normal.get(), 1));
  EXPECT_EQ(layer.outputSize, 1000u);
  EXPECT_NEAR(layer.memoryUsage, 1000.0 / (1 << 20), 1e-6);
  tinyaiMarkLayerOutputUnneeded(normal.get(), 1);
  EXPECT_EQ(tinyaiGetLayerOutput(normal.get(), 1), nullptr);
  for (const bool prepare : {false, true}) {
    prepare ? (void)tinyaiPrepareForwardPass(normal.get()) : tinyaiResetScheduler(normal.get());
    RunPass(normal, nullptr, nullptr);
    EXPECT_EQ(tinyaiGetLayerOutput(normal.get(), 1), nullptr) << "a mark stays";
    EXPECT_NE(tinyaiGetLayerOutput(normal.get(), 2), nullptr);
  }
  const SchedulerHandle lean = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT);
  AddChain(lean, 4);
  ASSERT_TRUE(tinyaiPrepareForwardPass(lean.get()));
  RunPass(lean, nullptr, nullptr);
  EXPECT_EQ(tinyaiGetLayerOutput(lean.get(), 1), nullptr);
  EXPECT_NE(tinyaiGetLayerOutput(lean.get(), 3), nullptr) << "of the last layer until then";
}

TEST(ForwardScheduler, AMarkThatComesTooEarlyNeverChangesAResult) {
  const ModelHandle model = OpenModel(ChainFile(4));
  const auto run = [&](bool mark) {
    const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_NORMAL);
    TinyAIForwardScheduler* const s = scheduler.get();
    tinyaiAddLayerToSchedule(s, 0, -1, TINYAI_DEP_NONE, 0);
    tinyaiAddLayerToSchedule(s, 1, 0, TINYAI_DEP_SEQUENTIAL, 0);
    tinyaiAddLayerToSchedule(s, 2, 1, TINYAI_DEP_SEQUENTIAL, 0);
    tinyaiAddLayerToSchedule(s, 3, 2, TINYAI_DEP_SEQUENTIAL, 0);
    tinyaiAddLayerToSchedule(s, 3, 0, TINYAI_DEP_RESIDUAL, 0);
    EXPECT_TRUE(tinyaiPrepareForwardPass(s));
    const std::vector<float> input = Input();
    std::vector<float> output(kWidth);
    for (int i = 0; tinyaiExecuteNextLayer(s, input.data(), output.data(), nullptr); ++i) {
      for (int j = 0; mark && j <= i; ++j) tinyaiMarkLayerOutputUnneeded(s, j);
      if (mark) tinyaiMarkLayerOutputUnneeded(s, 3);
    }
    return output;
  };
  EXPECT_EQ(run(false), run(true));
}

TEST(ForwardScheduler, ANewPassAfterResetGivesTheSame) {
  const ModelHandle model = OpenModel(ChainFile(5));
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT);
  AddChain(scheduler, 5);
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get()));
  const std::vector<float> input = Input();
  std::vector<float> first(kWidth), second(kWidth);
  RunPass(scheduler, input.data(), first.data());
  EXPECT_FALSE(tinyaiExecuteNextLayer(scheduler.get(), input.data(), nullptr, nullptr));
  tinyaiResetScheduler(scheduler.get());
  EXPECT_FALSE(tinyaiIsLayerExecuted(scheduler.get(), 0));
  EXPECT_EQ(tinyaiGetSchedulerPeakMemoryUsage(scheduler.get()),
            tinyaiGetSchedulerMemoryUsage(scheduler.get()));
  ASSERT_TRUE(tinyaiExecuteNextLayer(scheduler.get(), input.data(), nullptr, nullptr));
  tinyaiResetScheduler(scheduler.get());  // in the middle of a pass
  EXPECT_EQ(RunPass(scheduler, input.data(), second.data()).size(), 5u);
  EXPECT_EQ(first, second);
}

TEST(ForwardScheduler, BatchesAreComputedTogetherAndSizedByMemory) {
  const ModelHandle model = OpenModel(ChainFile(3));
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT, 256 << 10);
  AddChain(scheduler, 3);
  const int best = tinyaiCalculateOptimalBatchSize(scheduler.get(), 4 * kWidth, 4 * kWidth, 1000);
  EXPECT_GT(best, 1);
  EXPECT_LT(best, 1000);
  EXPECT_EQ(tinyaiCalculateOptimalBatchSize(scheduler.get(), 4 * kWidth, 4 * kWidth, 8), 8);
  EXPECT_LE(tinyaiCalculateOptimalBatchSize(scheduler.get(), 8 * kWidth, 4 * kWidth, 1000), best);
  EXPECT_GE(tinyaiCalculateOptimalBatchSize(scheduler.get(), 0, 0, 1000), best);
  EXPECT_EQ(tinyaiCalculateOptimalBatchSize(scheduler.get(), SIZE_MAX, 1, 8), 1);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(tinyaiCalculateOptimalBatchSize(scheduler.get(), 1 << 30, 0, 8), 1);
  EXPECT_EQ(LastKey(), "BATCH_DOES_NOT_FIT");
  for (const int bad : {0, -1, INT_MIN}) {
    EXPECT_EQ(tinyaiCalculateOptimalBatchSize(scheduler.get(), 1, 1, bad), 1);
    EXPECT_EQ(LastKey(), "ARG_VALUE");
  }
  ASSERT_TRUE(tinyaiSetSchedulerBatchSize(scheduler.get(), 3));
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  std::vector<float> input, output(3 * kWidth), single(kWidth);
  for (int sample = 0; sample < 3; ++sample) {
    for (const float x : Input()) input.push_back(x * static_cast<float>(sample + 1));
  }
  RunPass(scheduler, input.data(), output.data());
  ASSERT_TRUE(tinyaiSetSchedulerBatchSize(scheduler.get(), 1));
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get()));
  RunPass(scheduler, input.data() + 2 * kWidth, single.data());
  EXPECT_EQ(std::memcmp(single.data(), output.data() + 2 * kWidth, kWidth * 4), 0);
}

TEST(ForwardScheduler, WhatCannotWorkIsRefusedBeforehand) {
  const ModelHandle model = OpenModel(ChainFile(3));
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_NORMAL, 20'000);
  EXPECT_FALSE(tinyaiPrepareForwardPass(scheduler.get()));
  EXPECT_EQ(LastKey(), "SCHEDULE_EMPTY");
  EXPECT_FALSE(tinyaiExecuteNextLayer(scheduler.get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(LastKey(), "NOT_PREPARED");
  AddChain(scheduler, 3);
  EXPECT_FALSE(tinyaiPrepareForwardPass(scheduler.get()));
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
  EXPECT_EQ(tinyaiGetLastError(), TINYAI_ERROR_BUDGET);
  const SchedulerHandle small = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT);
  AddChain(small, 3, kWidth * 4 - 4);
  EXPECT_FALSE(tinyaiPrepareForwardPass(small.get())) << "the outputs do not fit";
  EXPECT_EQ(tinyaiCreateForwardScheduler(model.get(), static_cast<TinyAIExecutionMode>(9), 0),
            nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
}

TEST(ForwardScheduler, OutlivesItsModel) {
  ModelHandle model = OpenModel(ChainFile(3));
  const SchedulerHandle scheduler = MakeScheduler(model, TINYAI_EXEC_MEMORY_OPT);
  AddChain(scheduler, 3);
  model.reset();
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get()));
  EXPECT_EQ(RunPass(scheduler, Input().data(), nullptr).size(), 3u);
}

TEST(ForwardScheduler, ATextGrowsTokenByTokenAndDoesNotDependOnTheMode) {
  const ModelHandle model = OpenModel(MakeTextModel(2));
  std::string first;
  for (const auto mode : {TINYAI_EXEC_NORMAL, TINYAI_EXEC_MEMORY_OPT, TINYAI_EXEC_ADAPTIVE}) {
    const SchedulerHandle scheduler = MakeScheduler(model, mode);
    for (int i = 0; i < 6; ++i) {
      ASSERT_TRUE(tinyaiAddLayerToSchedule(scheduler.get(), i, i - 1,
                                           i > 0 ? TINYAI_DEP_SEQUENTIAL : TINYAI_DEP_NONE,
                                           i == 5 ? 64 : 0));
    }
    ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
    TinyAITextSettings settings;
    tinyaiInitTextSettings(&settings);
    settings.max_new_tokens = 5;
    ASSERT_TRUE(tinyaiSetSchedulerTextSettings(scheduler.get(), &settings));
    char output[65];
    std::memset(output, 'x', sizeof output);
    int layer, calls = 0;
    while (tinyaiExecuteNextLayer(scheduler.get(), "Hi", output, &layer)) {
      EXPECT_EQ(layer, calls % 6);
      EXPECT_LT(std::strlen(output), 64u) << "it ends with NUL after every call";
      ++calls;
    }
    EXPECT_EQ(layer, -1);
    EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
    EXPECT_EQ(output[64], 'x');
    EXPECT_EQ(std::string(output).substr(0, 2), "Hi");
    if (first.empty()) first = output;
    EXPECT_EQ(first, output);
    tinyaiResetScheduler(scheduler.get());
    EXPECT_TRUE(tinyaiExecuteNextLayer(scheduler.get(), "Ho", output, &layer));
    EXPECT_EQ(std::string(output), "Ho");
  }
}

}  // namespace
}  // namespace tinyai::capi
