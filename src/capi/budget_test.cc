// Several models within one budget.  J13

#include <tinyai/budget.h>
#include <tinyai/session.h>

#include <thread>

#include "capi/chain_test_support.h"

namespace tinyai::capi {
namespace {

using BudgetHandle = Handle<TinyAIBudget>;
constexpr size_t kLayer = size_t{kWide} * kWide * sizeof(float);  // 1 MiB

// Nothing is read ahead, so that what is cached is what was asked for.
ModelHandle OpenQuiet(const std::string& path) {
  const TinyAIMmapConfig config = Config(size_t{256} << 20);
  return OpenModel(path, &config);
}

BudgetHandle MakeBudget(size_t bytes, std::initializer_list<TinyAIModel*> models) {
  BudgetHandle budget(tinyaiCreateBudget(bytes), tinyaiFreeBudget);
  for (TinyAIModel* const model : models) {
    EXPECT_TRUE(tinyaiShareBudget(budget.get(), model)) << tinyaiGetErrorMessage();
  }
  return budget;
}

TinyAIMemoryStats StatsOf(const BudgetHandle& budget) {
  TinyAIMemoryStats stats;
  EXPECT_TRUE(tinyaiGetBudgetStats(budget.get(), &stats));
  return stats;
}

// A scheduler over the chain that is not prepared.
SchedulerHandle Schedule(const ModelHandle& model, TinyAIExecutionMode mode) {
  SchedulerHandle scheduler = MakeScheduler(model, 0, mode);
  for (int i = 0; i < tinyaiGetMappedLayerCount(model.get()); ++i) AddChainLayer(scheduler, i);
  return scheduler;
}

std::vector<float> RunPass(const SchedulerHandle& scheduler) {
  const std::vector<float> input(kWide, 0.5f);
  std::vector<float> output(kWide);
  tinyaiResetScheduler(scheduler.get());
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
  }
  EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
  return output;
}

TEST(SharedBudget, CachesOfTwoModelsKeepToIt) {
  const ModelHandle a = OpenQuiet(Chain(4, kWide)), b = OpenQuiet(Chain(4, kWide));
  Touch(a.get(), 0);  // what is cached before counts too
  const BudgetHandle budget = MakeBudget(5 * kLayer, {a.get(), b.get()});
  EXPECT_EQ(StatsOf(budget).current_usage, kLayer);
  for (const ModelHandle* const model : {&a, &b, &a}) {
    for (int i = 0; i < 4; ++i) {
      Touch(model->get(), i);
      EXPECT_EQ(StatsOf(budget).current_usage, tinyaiGetMappedModelMemoryUsage(a.get()) +
                                                   tinyaiGetMappedModelMemoryUsage(b.get()));
    }
  }
  EXPECT_LE(StatsOf(budget).peak_usage, 5 * kLayer);
  EXPECT_EQ(StatsOf(budget).memory_budget, 5 * kLayer);
  for (int i = 0; i < 4; ++i) tinyaiReleaseLayerWeights(a.get(), i);
  EXPECT_EQ(StatsOf(budget).current_usage, tinyaiGetMappedModelMemoryUsage(b.get()));
}

TEST(SharedBudget, CachedLayersGiveWayToPassesOfAnyModel) {
  const std::string path = Chain(4, kWide);
  const ModelHandle alone = OpenQuiet(path);
  const SchedulerHandle expected = Schedule(alone, TINYAI_EXEC_MEMORY_OPT);
  ASSERT_TRUE(tinyaiPrepareForwardPass(expected.get()));
  const ModelHandle a = OpenQuiet(Chain(4, kWide)), b = OpenQuiet(path);
  const BudgetHandle budget = MakeBudget(5 * kLayer, {a.get(), b.get()});
  for (int i = 0; i < 4; ++i) Touch(a.get(), i);
  const SchedulerHandle pass = Schedule(b, TINYAI_EXEC_NORMAL);
  ASSERT_TRUE(tinyaiPrepareForwardPass(pass.get())) << tinyaiGetErrorMessage();
  EXPECT_LT(tinyaiGetMappedModelMemoryUsage(a.get()), 4 * kLayer);
  EXPECT_EQ(RunPass(pass), RunPass(expected));
  EXPECT_GE(StatsOf(budget).current_usage, 4 * kLayer);
  EXPECT_LE(StatsOf(budget).peak_usage, 5 * kLayer);
}

TEST(SharedBudget, WhatAnotherModelHoldsIsRefusedBeforehandAndThereAgainLater) {
  const ModelHandle a = OpenQuiet(Chain(4, kWide)), b = OpenQuiet(Chain(4, kWide));
  const BudgetHandle budget = MakeBudget(7 * kLayer, {a.get(), b.get()});
  SchedulerHandle first = Schedule(a, TINYAI_EXEC_NORMAL);
  ASSERT_TRUE(tinyaiPrepareForwardPass(first.get())) << tinyaiGetErrorMessage();
  const SchedulerHandle second = Schedule(b, TINYAI_EXEC_NORMAL);
  EXPECT_FALSE(tinyaiPrepareForwardPass(second.get()));
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
  EXPECT_NE(std::string(tinyaiGetErrorMessage()).find("that models share"), std::string::npos)
      << tinyaiGetErrorMessage();
  const SchedulerHandle lean = Schedule(b, TINYAI_EXEC_ADAPTIVE);
  EXPECT_TRUE(tinyaiPrepareForwardPass(lean.get())) << tinyaiGetErrorMessage();
  const std::vector<float> streamed = RunPass(lean);
  first.reset();
  EXPECT_TRUE(tinyaiPrepareForwardPass(lean.get()));
  const LayersHandle layers(tinyaiCreateLayerScheduler(b.get(), nullptr), tinyaiFreeLayerScheduler);
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(layers.get(), 3, nullptr, nullptr))
      << tinyaiGetErrorMessage();
  EXPECT_EQ(RunPass(lean), streamed);
  EXPECT_LE(StatsOf(budget).peak_usage, 7 * kLayer);
}

TEST(SharedBudget, HoldsWhileSeveralThreadsTakeFromIt) {
  const std::string path = Chain(4, kWide);
  const ModelHandle a = OpenQuiet(path), b = OpenQuiet(path), alone = OpenQuiet(path);
  SchedulerHandle pass = Schedule(alone, TINYAI_EXEC_STREAMING);
  ASSERT_TRUE(tinyaiPrepareForwardPass(pass.get()));
  const std::vector<float> expected = RunPass(pass);
  const BudgetHandle budget = MakeBudget(6 * kLayer, {a.get(), b.get()});
  const auto use = [&](const ModelHandle& model) {
    const SchedulerHandle scheduler = Schedule(model, TINYAI_EXEC_ADAPTIVE);
    for (int i = 0; i < 12; ++i) {
      Touch(model.get(), i % 4);
      if (tinyaiPrepareForwardPass(scheduler.get())) {
        EXPECT_EQ(RunPass(scheduler), expected);
      } else {  // the other one was faster
        EXPECT_EQ(tinyaiGetLastError() == TINYAI_ERROR_BUDGET ||
                      tinyaiGetLastError() == TINYAI_ERROR_OUT_OF_MEMORY,
                  true)
            << tinyaiGetErrorMessage();
      }
    }
  };
  {
    const std::jthread other([&] { use(b); });
    use(a);
  }
  EXPECT_LE(StatsOf(budget).peak_usage, 6 * kLayer);
  EXPECT_EQ(StatsOf(budget).current_usage,
            tinyaiGetMappedModelMemoryUsage(a.get()) + tinyaiGetMappedModelMemoryUsage(b.get()));
}

TEST(SharedBudget, SessionsTakeFromItToo) {
  const ModelHandle text = OpenQuiet(MakeTextModel()), layers = OpenQuiet(Chain(4, kWide));
  constexpr size_t kBudget = size_t{64} << 20;
  const BudgetHandle budget = MakeBudget(kBudget, {text.get(), layers.get()});
  const auto plan = [&] {
    TinyAISessionConfig config;
    tinyaiInitSessionConfig(&config);
    config.context = 48;
    config.threads = 1;
    return Handle<TinyAISessionPlan>(tinyaiPlanSession(text.get(), &config), tinyaiFreeSessionPlan);
  };
  for (int i = 0; i < 4; ++i) Touch(layers.get(), i);
  std::vector<Handle<TinyAISession>> sessions;
  while (sessions.size() < 64) {
    const auto next = plan();
    if (next == nullptr) break;
    TinyAIPlanReport report;
    ASSERT_TRUE(tinyaiGetSessionPlanReport(next.get(), &report));
    EXPECT_LE(report.budget_bytes, kBudget);
    TinyAISession* const session = tinyaiOpenSession(next.get());
    ASSERT_NE(session, nullptr) << tinyaiGetErrorMessage();
    sessions.emplace_back(session, tinyaiCloseSession);
    EXPECT_LE(StatsOf(budget).current_usage, kBudget);
  }
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE") << tinyaiGetErrorMessage();
  ASSERT_GT(sessions.size(), 0u);
  sessions.pop_back();
  EXPECT_NE(plan(), nullptr) << tinyaiGetErrorMessage();
  sessions.clear();
  EXPECT_EQ(StatsOf(budget).current_usage, tinyaiGetMappedModelMemoryUsage(layers.get()));
}

TEST(SharedBudget, WhatMakesNoSenseChangesNothing) {
  EXPECT_EQ(tinyaiCreateBudget(0), nullptr);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  ModelHandle model = OpenQuiet(Chain(4, kWide));
  const Handle<TinyAIProgressiveLoader> loader(tinyaiCreateProgressiveLoader(nullptr),
                                               tinyaiFreeProgressiveLoader);
  ASSERT_TRUE(tinyaiAttachProgressiveLoader(loader.get(), model.get()));
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(tinyaiLoadLayer(loader.get(), i));
  const BudgetHandle small = MakeBudget(2 * kLayer, {});
  EXPECT_FALSE(tinyaiShareBudget(small.get(), model.get()));
  EXPECT_EQ(LastKey(), "BUDGET_EXCEEDED");
  EXPECT_EQ(StatsOf(small).current_usage, 0u);
  BudgetHandle enough = MakeBudget(4 * kLayer, {model.get()});
  EXPECT_FALSE(tinyaiShareBudget(small.get(), model.get()));
  EXPECT_EQ(LastKey(), "BUDGET_BOUND");
  // In any order.
  const SchedulerHandle scheduler = Schedule(model, TINYAI_EXEC_STREAMING);
  enough.reset();
  EXPECT_FALSE(tinyaiPrepareForwardPass(scheduler.get()));  // the loader holds it all
  EXPECT_EQ(LastKey(), "BUDGET_INFEASIBLE");
  ASSERT_TRUE(tinyaiUnloadLayer(loader.get(), 0));
  EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  model.reset();
  RunPass(scheduler);
}

}  // namespace
}  // namespace tinyai::capi
