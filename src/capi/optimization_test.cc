#include <tinyai/utils/optimization.h>

#include <cmath>
#include <cstring>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

constexpr int kWidth = 64;
using OptimizerHandle = Handle<TinyAIMemoryOptimizer>;
using SchedulerHandle = Handle<TinyAILayerScheduler>;
using TensorHandle = Handle<TinyAITensor>;

TensorHandle MakeTensor(int size) {
  return {tinyaiCreateTensor(&size, 1, TINYAI_TENSOR_FLOAT32), tinyaiFreeTensor};
}

std::string ResidualFile(DenseModel& dense) {
  const int a = dense.Dense(dense.input());
  dense.Add(a, dense.Dense(dense.Dense(a)));
  return dense.Save();
}

bool UseTensors(void* user_data) {
  ++*static_cast<int*>(user_data);
  for (int i = 0; i < 10; ++i) MakeTensor(1000);
  return true;
}

TEST(MemoryOptimizer, ReusesTheMemoryOfTensorsThatWereFreed) {
  const OptimizerHandle optimizer(tinyaiCreateMemoryOptimizer(nullptr), tinyaiFreeMemoryOptimizer);
  int calls = 0;
  EXPECT_TRUE(tinyaiExecuteWithTensorReuse(optimizer.get(), UseTensors, &calls));
  EXPECT_EQ(calls, 1);
  const TinyAIMemoryStats stats = tinyaiGetMemoryOptimizerStats(optimizer.get());
  EXPECT_EQ(stats.allocation_count, 1u);
  EXPECT_EQ(stats.tensor_reuse_count, 9u);
  EXPECT_EQ(stats.memory_saved, 9u * 4032);
  EXPECT_EQ(stats.current_usage, 0u);
  EXPECT_FALSE(tinyaiExecuteWithTensorReuse(optimizer.get(), nullptr, nullptr));
  EXPECT_EQ(LastKey(), "ARG_NULL");
  const auto thrower = [](void*) -> bool { throw 1; };
  EXPECT_FALSE(tinyaiExecuteWithTensorReuse(optimizer.get(), thrower, nullptr));
  EXPECT_EQ(LastKey(), "CALLBACK");
}

TEST(MemoryOptimizer, TradeoffsAreClampedAndNanIsRefused) {
  TinyAIMemoryOptimizerConfig config = {true, true, NAN, 0};
  EXPECT_EQ(tinyaiCreateMemoryOptimizer(&config), nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  config.memory_speed_tradeoff = 7;
  const OptimizerHandle optimizer(tinyaiCreateMemoryOptimizer(&config), tinyaiFreeMemoryOptimizer);
  ASSERT_NE(optimizer, nullptr);
  tinyaiSetMemorySpeedTradeoff(optimizer.get(), NAN);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
}

TEST(MemoryOptimizer, FindsAModeWithinTheBudgetAndMakesItTheDefault) {
  DenseModel dense(kWidth);
  const ModelHandle model = OpenModel(ResidualFile(dense));
  const OptimizerHandle optimizer(tinyaiCreateMemoryOptimizer(nullptr), tinyaiFreeMemoryOptimizer);
  EXPECT_TRUE(tinyaiOptimizeMemoryUsage(optimizer.get(), model.get(), 1 << 20))
      << tinyaiGetErrorMessage();
  EXPECT_FALSE(tinyaiOptimizeMemoryUsage(optimizer.get(), model.get(), 1000));
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
}

TEST(LayerScheduler, AscendingIndicesAlwaysWorkAndGiveTheReference) {
  DenseModel dense(kWidth);
  const ModelHandle model = OpenModel(ResidualFile(dense));
  std::vector<float> first;
  for (const float speed : {0.0f, 0.7f, 1.0f}) {
    const TinyAILayerSchedulerConfig config = {true, speed, false, 1 << 20};
    const SchedulerHandle scheduler(tinyaiCreateLayerScheduler(model.get(), &config),
                                    tinyaiFreeLayerScheduler);
    TinyAIExecutionPlan* plan = tinyaiCreateExecutionPlan(scheduler.get());
    ASSERT_NE(plan, nullptr) << tinyaiGetErrorMessage();
    EXPECT_EQ(tinyaiGetPlanLayerCount(plan), 4);
    EXPECT_EQ(tinyaiGetPlanLayer(plan, 0), 0);
    EXPECT_EQ(tinyaiGetPlanLayer(plan, 9), -1);
    const TensorHandle input = MakeTensor(kWidth), output = MakeTensor(kWidth);
    auto* x = static_cast<float*>(tinyaiGetTensorData(input.get()));
    for (int i = 0; i < kWidth; ++i) x[i] = static_cast<float>(i % 5) - 2;
    for (int pass = 0; pass < 2; ++pass) {
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(
            tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), i, input.get(), output.get()))
            << tinyaiGetErrorMessage();
      }
      const auto* y = static_cast<const float*>(tinyaiGetTensorData(output.get()));
      const std::vector<double> a = dense.Apply(0, {x, x + kWidth});
      std::vector<double> expected = dense.Apply(2, dense.Apply(1, a));
      for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(y[i], expected[i] + a[i], 1e-4);
      if (first.empty()) first.assign(y, y + kWidth);
      EXPECT_EQ(std::memcmp(first.data(), y, kWidth * 4), 0);
    }
  }
}

TEST(LayerScheduler, EstimatesAndStrategiesAndWrongTensors) {
  DenseModel dense(kWidth);
  const ModelHandle model = OpenModel(ResidualFile(dense));
  const SchedulerHandle scheduler(tinyaiCreateLayerScheduler(model.get(), nullptr),
                                  tinyaiFreeLayerScheduler);
  const TinyAIMemoryEstimate estimate = tinyaiEstimateMemoryUsage(scheduler.get());
  EXPECT_GT(estimate.peak_memory, 0u);
  EXPECT_LE(estimate.min_memory, estimate.peak_memory);
  EXPECT_LE(estimate.peak_memory, estimate.max_memory);
  EXPECT_LE(estimate.average_memory, estimate.peak_memory);
  const TensorHandle wrong = MakeTensor(kWidth + 1), small = MakeTensor(kWidth - 1);
  EXPECT_FALSE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), 0, wrong.get(), nullptr));
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_FALSE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), 0, nullptr, small.get()));
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), 3, nullptr, nullptr))
      << "those before it are executed first";
  const TensorHandle output = MakeTensor(kWidth);
  EXPECT_TRUE(tinyaiSetLayerCheckpointingStrategy(scheduler.get(), 1, TINYAI_CHECKPOINT_KEEP));
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), 3, nullptr, nullptr));
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), 1, nullptr, output.get()))
      << tinyaiGetErrorMessage();
  const TinyAILayerSchedulerConfig plain = {false, 0.5f, false, 0};
  const SchedulerHandle keeps(tinyaiCreateLayerScheduler(model.get(), &plain),
                              tinyaiFreeLayerScheduler);
  EXPECT_FALSE(tinyaiSetLayerCheckpointingStrategy(keeps.get(), 1, TINYAI_CHECKPOINT_STORE));
  EXPECT_EQ(LastKey(), "CONFIG");
  const TinyAILayerSchedulerConfig tiny = {true, 0.5f, true, 100};
  const SchedulerHandle cannot(tinyaiCreateLayerScheduler(model.get(), &tiny),
                               tinyaiFreeLayerScheduler);
  EXPECT_EQ(tinyaiCreateExecutionPlan(cannot.get()), nullptr);
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
}

TEST(Simd, LevelsAgreeAndTheLevelIsTheModels) {
  DenseModel dense(kWidth);
  const ModelHandle model = OpenModel(ResidualFile(dense));
  const TinyAISIMDCapabilities simd = tinyaiGetSIMDCapabilities();
  EXPECT_GE(simd.max_level, 0);
  std::vector<float> best(kWidth);
  for (int level = 3; level >= 0; --level) {
    tinyaiSetSIMDOptimizationLevel(model.get(), level);
    EXPECT_LE(tinyaiGetSIMDOptimizationLevel(model.get()), level);
    const SchedulerHandle scheduler(tinyaiCreateLayerScheduler(model.get(), nullptr),
                                    tinyaiFreeLayerScheduler);
    const TensorHandle input = MakeTensor(kWidth), output = MakeTensor(kWidth);
    static_cast<float*>(tinyaiGetTensorData(input.get()))[5] = 1;
    for (int i = 0; i < 4; ++i) {
      ASSERT_TRUE(
          tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), i, input.get(), output.get()));
    }
    const auto* y = static_cast<const float*>(tinyaiGetTensorData(output.get()));
    if (level == 3) best.assign(y, y + kWidth);
    for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(y[i], best[i], 1e-5);
  }
  tinyaiSetSIMDOptimizationLevel(model.get(), 99);
  EXPECT_EQ(tinyaiGetSIMDOptimizationLevel(model.get()), simd.max_level);
  EXPECT_TRUE(tinyaiEnableSIMD(model.get(), TINYAI_SIMD_OP_MATRIX_MUL, false));
  EXPECT_FALSE(tinyaiEnableSIMD(model.get(), static_cast<TinyAISIMDOpType>(9), true));
  EXPECT_EQ(LastKey(), "ARG_VALUE");
}

}  // namespace
}  // namespace tinyai::capi
