#include <limits>

#include "test_support.h"

namespace {

using tinyai::Model;

// Layers of 64 x 64 numbers: b reads a, the sum reads a and b.
Model Residual() {
  static const std::vector<float> numbers = [] {
    std::vector<float> out(64 * 64);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i % 89) / 89 - 0.5f;
    return out;
  }();
  tinyai::Graph graph("residual");
  tinyai::Graph::Value value = graph.Input("x", {64});
  const tinyai::Graph::Value a = graph.Dense("a", value, graph.AddWeight("a", 64, 64, numbers));
  graph.EndLayer("a", tinyai::Role::kFeedForward);
  const tinyai::Graph::Value b = graph.Dense("b", a, graph.AddWeight("b", 64, 64, numbers));
  graph.EndLayer("b", tinyai::Role::kFeedForward);
  graph.Add("sum", a, b);
  graph.EndLayer("sum", tinyai::Role::kOther);
  return SaveAndOpen(graph, "residual.tmai");
}

TEST(Pruning, HasAMethodAndLayersOfItsOwn) {
  Model model = Residual();
  const std::size_t whole = model.layer(0)->bytes;
  model.Prune({.sparsity = 0.9f, .layers = {{1, 0.0f}}}).value();
  EXPECT_LT(model.layer(0)->bytes, whole / 2);
  EXPECT_EQ(model.layer(1)->bytes, whole);
  const auto random = [&](std::uint64_t seed) {
    model.Prune({.sparsity = 0.5f, .method = TINYAI_PRUNE_RANDOM, .seed = seed}).value();
    tinyai::Pass pass = tinyai::Pass::Prepare(model).value();
    return RunPass(pass, std::vector<float>(64, 1));
  };
  const std::vector<float> first = random(1);
  EXPECT_NE(random(2), first);
  EXPECT_EQ(random(1), first);
  EXPECT_EQ(model.Prune({.layers = {{9999, 0.5f}}}).error().key, "ARG_INDEX");
}

TEST(Sensitivity, TellsWhatEachLayerBears) {
  const Model model = Residual();
  const std::vector<float> input(64, 0.5f);
  const auto eight = tinyai::MeasureErrors(model, TINYAI_PREC_INT8, input).value();
  const auto two = tinyai::MeasureErrors(model, TINYAI_PREC_INT2, input).value();
  ASSERT_EQ(eight.size(), 2u);
  ASSERT_EQ(two.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(eight[i].layer, static_cast<int>(i));
    EXPECT_LT(eight[i].layer_error, two[i].layer_error);
  }
  EXPECT_EQ(tinyai::MeasureErrors(model).value().size(), 0u) << "nothing is in force";
  const auto pruned = tinyai::MeasureErrors(model, tinyai::Pruning{.sparsity = 0.5f}, input);
  EXPECT_GT(pruned.value()[0].layer_error, 0);
  const auto text = tinyai::MeasureErrors(OpenText(), TINYAI_PREC_INT8, std::string("Once"));
  EXPECT_EQ(text.value().size(), 0u) << "its weights have 8 bits";
}

TEST(LayerScheduler, ExecutesAsItPlans) {
  const Model model = Residual();
  tinyai::LayerScheduler scheduler = tinyai::LayerScheduler::Create(model, {.speed = 0}).value();
  const tinyai::LayerPlan plan = scheduler.Plan().value();
  EXPECT_EQ(plan.order, (std::vector<int>{0, 1, 2}));
  EXPECT_GT(plan.peak_bytes, plan.activation_bytes);
  EXPECT_EQ(scheduler.Estimate().peak_memory, plan.peak_bytes);
  const std::vector<float> input(64, 0.25f);
  std::vector<float> output(64);
  for (const int layer : plan.order) scheduler.Execute(layer, input, output).value();
  tinyai::Pass pass = tinyai::Pass::Prepare(model).value();
  EXPECT_EQ(output, RunPass(pass, input));
  scheduler.SetStrategy(0, TINYAI_CHECKPOINT_KEEP).value();
  EXPECT_EQ(scheduler.SetStrategy(7, TINYAI_CHECKPOINT_KEEP).error().key, "ARG_INDEX");
  EXPECT_EQ(scheduler.Execute(7, input, output).error().key, "ARG_INDEX");
  EXPECT_EQ(tinyai::LayerScheduler::Create(model, {.activation_bytes = 1})->Plan().error().key,
            "BUDGET_INFEASIBLE");
}

TEST(SharedBudget, BoundsWhatItsModelsTakeTogether) {
  Model first = Residual(), second = Residual();
  constexpr std::size_t kBytes = std::size_t{96} << 10;
  tinyai::SharedBudget budget = tinyai::SharedBudget::Create(kBytes).value();
  budget.Add(first).value();
  budget.Add(second).value();
  EXPECT_EQ(budget.Add(first).error().key, "BUDGET_BOUND");
  const tinyai::Pass one = tinyai::Pass::Prepare(first).value();
  const tinyai::Pass two = tinyai::Pass::Prepare(second).value();
  EXPECT_LE(one.planned_peak_bytes() + two.planned_peak_bytes(), kBytes);
  EXPECT_LE(budget.stats().peak_usage, kBytes);
  EXPECT_GT(budget.stats().current_usage, 0u);
  EXPECT_EQ(tinyai::SharedBudget::Create(0).error().key, "ARG_VALUE");
}

TEST(MemoryOptimizer, SetsBudgetsAndReusesTensors) {
  Model model = Residual();
  tinyai::MemoryOptimizer optimizer = tinyai::MemoryOptimizer::Create().value();
  optimizer.Optimize(model, std::size_t{64} << 10).value();
  tinyai::Pass pass = tinyai::Pass::Prepare(model).value();
  EXPECT_LE(pass.planned_peak_bytes(), std::size_t{64} << 10);
  EXPECT_EQ(optimizer.Optimize(model, 100).error().key, "BUDGET_INFEASIBLE");
  int made = 0;
  const auto work = [&made] {
    for (; made < 4; ++made) {
      const int size = 256;
      tinyaiFreeTensor(tinyaiCreateTensor(&size, 1, TINYAI_TENSOR_FLOAT32));
    }
    return true;
  };
  EXPECT_TRUE(optimizer.WithReuse(work).value());
  EXPECT_EQ(made, 4);
  EXPECT_EQ(optimizer.stats().tensor_reuse_count, 3u);
  EXPECT_FALSE(optimizer.WithReuse([] { return false; }).value());
  EXPECT_EQ(optimizer.WithReuse([]() -> bool { throw 1; }).error().key, "CALLBACK");
  EXPECT_EQ(tinyai::MemoryOptimizer::Create({.speed = std::numeric_limits<float>::quiet_NaN()})
                .error()
                .key,
            "ARG_VALUE");
}

}  // namespace
