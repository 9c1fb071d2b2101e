#include "engine/forward_pass.h"

#include "engine/forward_nets.h"
#include "engine/forward_reference.h"
#include "fmt/format.h"
#include "gtest/gtest.h"
#include "os/process_stats.h"

namespace tinyai {
namespace {

std::unique_ptr<TestNet> DenseChain(int layers = 6, uint64_t width = 256) {
  NetWriter net;
  ValueId x = *net.builder.Input("x", {width});
  for (int i = 0; i < layers; ++i) {
    x = net.Dense(fmt::format("dense{}", i), x, width);
    x = net.Op(fmt::format("relu{}", i), op::Activation{op::Function::kTanh}, {x});
  }
  return net.Finish();
}

std::unique_ptr<TestNet> SmallConvNet() {
  NetWriter net;
  ValueId x = *net.builder.Input("image", {3, 24, 20});
  x = net.Conv("stem", x, 16, Square(3, 2, 1));
  const ValueId skip = x;
  x = net.Conv("depthwise", x, 16, Square(3, 1, 1), 16);
  x = net.Op("act", op::Activation{op::Function::kHardSwish}, {x});
  x = net.Conv("point", x, 16, Square(1, 1, 0), 1, false);
  x = net.Op("sum", op::Add{}, {x, skip});
  x = net.Op("pool", op::Pool{op::PoolKind::kMax, Square(2, 2, 0)}, {x});
  x = net.Op("mean", op::GlobalPool{op::PoolKind::kAverage}, {x});
  x = net.Op("flat", op::Reshape{{16}}, {x});
  x = net.Dense("head", x, 10);
  net.Op("soft", op::Softmax{0}, {x});
  return net.Finish();
}

void ExpectNearReference(const TestNet& net, const std::vector<std::vector<float>>& inputs) {
  const NetRun run = RunNet(net, {}, inputs);
  ASSERT_FALSE(run.error) << Describe(*run.error);
  EXPECT_LT(Deviation(run.outputs, ReferenceNet(net, inputs).Outputs()), 1e-5);
}

TEST(ForwardPass, ComputesAChainOfDenseLayers) {
  ExpectNearReference(*DenseChain(), {RandomInput(256)});
}

TEST(ForwardPass, ComputesAConvolutionalNet) {
  ExpectNearReference(*SmallConvNet(), {RandomInput(3 * 24 * 20)});
}

// Whatever the mode, the limit, the threads and the batch, the same bits; and never above the
// limit.
void ExpectSameBits(const TestNet& net, const std::vector<std::vector<float>>& inputs) {
  const NetRun first = RunNet(net, {.mode = PlanMode::kNormal, .threads = 1}, inputs);
  ASSERT_FALSE(first.error) << Describe(*first.error);
  const auto expect_same = [&](const ForwardOptions& options, bool whole) {
    const NetRun run = RunNet(net, options, inputs, whole);
    ASSERT_FALSE(run.error) << Describe(*run.error);
    EXPECT_EQ(run.outputs, first.outputs) << Name(options.mode);
    EXPECT_EQ(run.peak_bytes, run.planned_bytes);
    if (options.memory_bytes != 0) {
      EXPECT_LE(run.peak_bytes, options.memory_bytes);
    }
  };
  uint64_t least = ~uint64_t{0};
  for (const PlanMode mode :
       {PlanMode::kNormal, PlanMode::kMemoryOptimised, PlanMode::kStreaming, PlanMode::kAdaptive}) {
    const NetRun run = RunNet(net, {.mode = mode, .threads = 2}, inputs);
    ASSERT_FALSE(run.error) << Describe(*run.error);
    if (mode != PlanMode::kAdaptive) {
      EXPECT_LE(run.peak_bytes, least) << Name(mode);
      least = std::min(least, run.peak_bytes);
    }
    expect_same({.mode = mode, .threads = 2}, true);
    expect_same({.mode = mode, .threads = 3}, false);
  }
  for (uint64_t limit = RoundUp(least, 4096); limit < 2 * first.peak_bytes; limit += limit / 3) {
    expect_same({.memory_bytes = limit, .threads = 2}, false);
  }
  const NetRun refused = RunNet(net, {.memory_bytes = least / 2}, inputs);
  ASSERT_TRUE(refused.error);
  EXPECT_EQ(refused.error->key, "BUDGET_INFEASIBLE");
  EXPECT_NE(refused.error->message.find("layer"), std::string::npos) << refused.error->message;
}

TEST(ForwardPass, HasTheSameBitsInEveryModeAndLimitDense) {
  ExpectSameBits(*DenseChain(), {RandomInput(256)});
}
TEST(ForwardPass, HasTheSameBitsInEveryModeAndLimitConv) {
  ExpectSameBits(*SmallConvNet(), {RandomInput(3 * 24 * 20)});
}

TEST(ForwardPass, ASampleHasTheSameBitsInEveryBatch) {
  const auto net = SmallConvNet();
  const uint64_t size = 3 * 24 * 20;
  const std::vector<float> three = RandomInput(3 * size);
  const NetRun batch = RunNet(*net, {.batch = 3}, {three});
  ASSERT_FALSE(batch.error) << Describe(*batch.error);
  std::vector<float> alone;
  for (size_t i = 0; i < 3; ++i) {
    const auto begin = three.begin() + static_cast<ptrdiff_t>(i * size);
    const NetRun run = RunNet(*net, {}, {std::vector<float>(begin, begin + size)});
    alone.insert(alone.end(), run.outputs.begin(), run.outputs.end());
  }
  EXPECT_EQ(batch.outputs, alone);
}

// A chain of equal activations: two of them at once, whatever its length.
TEST(ForwardPass, AChainPeaksAtTwoActivations) {
  for (const int layers : {3, 40}) {
    NetWriter net;
    ValueId x = *net.builder.Input("x", {4, 64, 64});
    for (int i = 0; i < layers; ++i) {
      x = net.Op(fmt::format("flip{}", i), op::Transpose{{0, 2, 1}}, {x});
    }
    const auto made = net.Finish();
    const uint64_t bytes = 4 * 64 * 64 * sizeof(float);
    const NetRun lean =
        RunNet(*made, {.mode = PlanMode::kMemoryOptimised}, {RandomInput(4 * 64 * 64)});
    ASSERT_FALSE(lean.error) << Describe(*lean.error);
    EXPECT_EQ(lean.peak_bytes, 2 * bytes);
    const NetRun normal = RunNet(*made, {.mode = PlanMode::kNormal}, {RandomInput(4 * 64 * 64)});
    EXPECT_GE(normal.peak_bytes, static_cast<uint64_t>(layers) * bytes);
  }
}

TEST(ForwardPass, RunsLayersAsTheUserWiresThem) {
  NetWriter net;  // four layers that take one operand, and one that takes three
  ValueId x = *net.builder.Input("x", {8, 32});
  for (int i = 0; i < 4; ++i) x = net.Dense(fmt::format("dense{}", i), x, 32);
  net.Op("attend", op::Attend{4, 4}, {x, x, x});
  const auto made = net.Finish();
  EXPECT_EQ(made->graph.layers[4].operands.size(), 1U);
  NetWriter apart;
  const ValueId q = *apart.builder.Input("q", {8, 32}), k = *apart.builder.Input("k", {8, 32});
  const ValueId v = *apart.builder.Input("v", {8, 32});
  const ValueId q1 = apart.Dense("dense0", q, 32), k1 = apart.Dense("dense1", k, 32);
  const ValueId v1 = apart.Dense("dense2", v, 32);
  apart.Op("attend", op::Attend{4, 4}, {q1, k1, v1});
  const auto three = apart.Finish();
  const std::vector<float> input = RandomInput(8 * 32);
  ForwardOptions options;
  options.layers = {{0, {}}, {1, {0}}, {2, {0, 1}}, {3, {0, 1, 2}}};
  Budget process{"test", Budget::kUnlimited};
  const float* const inputs[] = {input.data(), input.data(), input.data()};

  options.layers = {{3, {0, 1, 2}}, {0, {}}, {1, {0}}, {2, {0}}};
  auto plan = PlanForward(three->model(), options, NetMachine());
  ASSERT_TRUE(plan) << Describe(plan.error());
  auto pass = ForwardPass::Open(three->model(), std::move(*plan), process);
  ASSERT_TRUE(pass) << Describe(pass.error());
  EXPECT_EQ((*pass)->order(), (std::vector<uint32_t>{0, 1, 2, 3}));
  ASSERT_TRUE((*pass)->Begin(1));
  ASSERT_TRUE((*pass)->RunAll(inputs));
  EXPECT_TRUE((*pass)->Output(3));
  EXPECT_FALSE((*pass)->Output(9));

  // A layer that takes one operand gets the sum: dense0(x) + dense1(dense0(x)) here.
  NetWriter sum;
  const ValueId in = *sum.builder.Input("x", {8, 32});
  const ValueId a = sum.Dense("dense0", in, 32), b = sum.Dense("dense1", a, 32);
  const ValueId c = sum.Op("sum", op::Add{}, {a, b});
  sum.Dense("dense2", c, 32);
  const auto with_sum = sum.Finish();
  const NetRun expected = RunNet(*with_sum, {}, {input});
  NetWriter plain;
  const ValueId p = *plain.builder.Input("x", {8, 32});
  plain.Dense("dense2", plain.Dense("dense1", plain.Dense("dense0", p, 32), 32), 32);
  const auto chain = plain.Finish();
  ForwardOptions residual;
  residual.layers = {{0, {}}, {1, {0}}, {2, {0, 1}}};
  const NetRun got = RunNet(*chain, residual, {input});
  ASSERT_FALSE(got.error) << Describe(*got.error);
  EXPECT_EQ(got.outputs, expected.outputs);
}

// Large maps between small ones, as where pictures are made larger.
std::unique_ptr<TestNet> SuperResolutionNet(uint64_t size = 48) {
  NetWriter net;
  ValueId x = *net.builder.Input("image", {3, size, size});
  x = net.Conv("first", x, 32, Square(5, 1, 2));
  x = net.Op("act1", op::Activation{op::Function::kRelu}, {x});
  x = net.Conv("second", x, 32, Square(3, 1, 1));
  x = net.Op("act2", op::Activation{op::Function::kLeakyRelu, 0.1F}, {x});
  x = net.Op("larger", op::Resize{{2 * size, 2 * size}, op::ResizeMode::kNearest}, {x});
  x = net.Conv("third", x, 16, Square(3, 1, 1));
  x = net.Op("act3", op::Activation{op::Function::kTanh}, {x});
  net.Conv("last", x, 3, Square(3, 1, 1));
  return net.Finish();
}

std::unique_ptr<TestNet> DeepResidualNet(int blocks = 6) {
  NetWriter net;
  ValueId x = *net.builder.Input("image", {3, 32, 32});
  x = net.Conv("stem", x, 16, Square(3, 1, 1));
  for (int i = 0; i < blocks; ++i) {
    const std::string name = fmt::format("block{}", i);
    const uint32_t stride = i == blocks / 2 ? 2 : 1;
    const ValueId before =
        stride == 1 ? x : net.Conv(name + ".short", x, 16, Square(1, stride, 0), 1, false);
    ValueId y = net.Conv(name + ".a", x, 16, Square(3, stride, 1), 1, false);
    std::vector<WeightId> norm;
    for (const char* part : {"scale", "shift", "mean", "variance"}) {
      norm.push_back(*net.builder.Vector(name + ".norm." + part, 16));
    }
    y = net.Op(name + ".norm", op::BatchNorm{1e-5F}, {y}, norm);
    y = net.Op(name + ".act", op::Activation{op::Function::kRelu}, {y});
    y = net.Conv(name + ".b", y, 16, Square(3, 1, 1), 1, false);
    x = net.Op(name + ".sum", op::Add{}, {y, before});
  }
  x = net.Op("mean", op::GlobalPool{op::PoolKind::kAverage}, {x});
  net.Dense("head", net.Op("flat", op::Reshape{{16}}, {x}), 10);
  return net.Finish();
}

TEST(ForwardPass, StreamsLargeMapsInBandsWithTheSameBits) {
  const auto net = SuperResolutionNet();
  const std::vector<float> input = RandomInput(3 * 48 * 48);
  ExpectNearReference(*net, {input});
  ExpectSameBits(*net, {input});
  const NetRun lean = RunNet(*net, {.mode = PlanMode::kMemoryOptimised}, {input});
  const NetRun streamed = RunNet(*net, {.mode = PlanMode::kStreaming}, {input});
  ASSERT_FALSE(streamed.error) << Describe(*streamed.error);
  EXPECT_LT(streamed.peak_bytes, lean.peak_bytes / 2);
  EXPECT_GT(streamed.recompute_ratio, 1);
  EXPECT_LT(streamed.recompute_ratio, 2);
  RecordProperty("lean", static_cast<int>(lean.peak_bytes));
  RecordProperty("streamed", static_cast<int>(streamed.peak_bytes));
}
TEST(ForwardPass, BandsTakeAQuarterOfTheMemoryOfLargeMaps) {
  const auto net = SuperResolutionNet(192);
  const std::vector<std::vector<float>> inputs = {RandomInput(3 * 192 * 192)};
  const NetRun lean = RunNet(*net, {.mode = PlanMode::kMemoryOptimised, .threads = 2}, inputs);
  const NetRun streamed = RunNet(*net, {.mode = PlanMode::kStreaming, .threads = 2}, inputs);
  ASSERT_FALSE(streamed.error) << Describe(*streamed.error);
  std::printf("memory-optimised %llu bytes, in bands %llu bytes, %.2f times the multiplications\n",
              static_cast<unsigned long long>(lean.peak_bytes),
              static_cast<unsigned long long>(streamed.peak_bytes), streamed.recompute_ratio);
  EXPECT_EQ(streamed.outputs, lean.outputs);
  EXPECT_LE(streamed.peak_bytes, lean.peak_bytes / 4);
}

// What the kernel counts grows by no more than what is reported, and by about that.
TEST(ForwardPass, ReportsWhatTheKernelCounts) {
  const auto net = SuperResolutionNet(192);
  const std::vector<std::vector<float>> inputs = {RandomInput(3 * 192 * 192)};
  for (const PlanMode mode : {PlanMode::kNormal, PlanMode::kMemoryOptimised}) {
    if (!(std::ofstream("/proc/self/clear_refs") << "5").flush()) {
      GTEST_SKIP() << "this system does not let a process reset its peak";
    }
    const uint64_t before = ReadProcessStats().resident_bytes;
    const NetRun run = RunNet(*net, {.mode = mode, .threads = 2}, inputs);
    ASSERT_FALSE(run.error) << Describe(*run.error);
    const uint64_t grown = ReadProcessStats().peak_resident_bytes - before;
    EXPECT_LE(grown, run.peak_bytes + (8 << 20) + 1024 * net->graph.layers.size());
    EXPECT_GE(grown + (8 << 20), run.peak_bytes);
  }
}

TEST(ForwardPass, ComputesAgainWhatDoesNotFit) {
  const auto net = LateReaderNet();
  const std::vector<std::vector<float>> inputs = {RandomInput(2 * 32 * 32)};
  const NetRun kept = RunNet(*net, {.mode = PlanMode::kMemoryOptimised}, inputs);
  ASSERT_FALSE(kept.error) << Describe(*kept.error);
  EXPECT_EQ(kept.recompute_ratio, 1);
  ForwardOptions options{.mode = PlanMode::kMemoryOptimised,
                         .memory_bytes = kept.peak_bytes - 32768};
  EXPECT_TRUE(RunNet(*net, options, inputs).error);
  options.recompute = true;
  const NetRun again = RunNet(*net, options, inputs);
  ASSERT_FALSE(again.error) << Describe(*again.error);
  EXPECT_LE(again.peak_bytes, options.memory_bytes);
  EXPECT_GT(again.recompute_ratio, 1);
  EXPECT_EQ(again.outputs, kept.outputs);
  const NetRun asked =
      RunNet(*net, {.mode = PlanMode::kMemoryOptimised, .recomputed = {0}}, inputs);
  ASSERT_FALSE(asked.error) << Describe(*asked.error);
  EXPECT_EQ(asked.outputs, kept.outputs);
  EXPECT_LT(asked.recompute_ratio, 2);
}
TEST(ForwardPass, HasTheSameBitsInEveryModeAndLimitUShaped) {
  const auto net = UShapedNet();
  ExpectNearReference(*net, {RandomInput(2 * 32 * 32)});
  ExpectSameBits(*net, {RandomInput(2 * 32 * 32)});
}
TEST(ForwardPass, HasTheSameBitsInEveryModeAndLimitDeepResidual) {
  const auto net = DeepResidualNet();
  ExpectNearReference(*net, {RandomInput(3 * 32 * 32)});
  ExpectSameBits(*net, {RandomInput(3 * 32 * 32)});
}

std::string WiringError(const TestNet& net, std::vector<WiredLayer> layers) {
  const auto plan = PlanForward(net.model(), {.layers = std::move(layers)}, NetMachine());
  return plan ? "" : fmt::format("{}: {}", plan.error().key, plan.error().message);
}

TEST(ForwardPass, RefusesWiringThatMakesNoSense) {
  const auto net = DenseChain(2);
  EXPECT_EQ(WiringError(*net, {{7, {}}}), "GRAPH_DEPENDENCY: there is no layer 7");
  EXPECT_EQ(WiringError(*net, {{0, {}}, {0, {}}}),
            "GRAPH_DEPENDENCY: layer 0 (dense0) is scheduled twice");
  EXPECT_EQ(WiringError(*net, {{1, {0}}}),
            "GRAPH_DEPENDENCY: layer 1 (relu0) depends on layer 0, which is not scheduled");
  EXPECT_EQ(WiringError(*net, {{0, {2}}, {1, {0}}, {2, {1}}}),
            "GRAPH_DEPENDENCY: the dependencies form a cycle: layer 0 (dense0) on layer 2 (dense1) "
            "on layer 1 (relu0) on layer 0 (dense0)");
  EXPECT_EQ(WiringError(*net, {{0, {}, 100}}),
            "GRAPH_DEPENDENCY: the result of layer 0 (dense0) needs 1024 bytes; 100 were declared "
            "for it");
}

TEST(ForwardPass, HoldsOutputsUntilNobodyNeedsThem) {
  const auto net = DenseChain(3);
  Budget process{"test", Budget::kUnlimited};
  auto plan = PlanForward(net->model(), {.mode = PlanMode::kNormal}, NetMachine());
  ASSERT_TRUE(plan);
  auto pass = ForwardPass::Open(net->model(), std::move(*plan), process);
  ASSERT_TRUE(pass) << Describe(pass.error());
  const std::vector<float> input = RandomInput(256);
  const float* const inputs[] = {input.data()};
  EXPECT_FALSE((*pass)->RunNext(inputs));  // no pass has begun
  ASSERT_TRUE((*pass)->Begin(1));
  ASSERT_TRUE((*pass)->RunNext(inputs));
  ASSERT_TRUE((*pass)->Output(0));
  const uint64_t held = (*pass)->memory_bytes();
  (*pass)->MarkUnneeded(0);  // layer 1 still needs it
  EXPECT_FALSE((*pass)->Output(0));
  EXPECT_EQ((*pass)->memory_bytes(), held);
  ASSERT_TRUE((*pass)->RunNext(inputs));
  EXPECT_EQ((*pass)->memory_bytes(), held);  // its own came, the other went
  ASSERT_TRUE((*pass)->RunAll(inputs));
  EXPECT_GT((*pass)->memory_bytes(), held);
  const LayerOutput last = *(*pass)->Output(5);
  const std::vector<float> values = Copy(last);
  const uint64_t all = (*pass)->memory_bytes();
  (*pass)->MarkUnneeded(3);
  EXPECT_EQ((*pass)->memory_bytes(), all - 1024);
  EXPECT_FALSE((*pass)->RunNext(inputs));  // complete
  // A pass that is given up leaves the next one as it should be.
  ASSERT_TRUE((*pass)->Begin(1));
  ASSERT_TRUE((*pass)->RunThrough(2, inputs));
  ASSERT_TRUE((*pass)->Begin(1));
  EXPECT_FALSE((*pass)->is_executed(0));
  ASSERT_TRUE((*pass)->RunAll(inputs));
  EXPECT_EQ(Copy(*(*pass)->Output(5)), values);
}

TEST(LargestBatch, IsTheLargestThatFits) {
  const auto net = SmallConvNet();
  const uint64_t per_sample = 3 * 24 * 20 * 4 + 40;
  uint64_t before = 0;
  for (const uint64_t limit : {400'000, 500'000, 800'000, 1'500'000}) {
    ForwardOptions options{.mode = PlanMode::kMemoryOptimised, .memory_bytes = limit};
    const auto batch = LargestBatch(net->model(), options, NetMachine(), per_sample, 64);
    ASSERT_TRUE(batch) << Describe(batch.error());
    EXPECT_GE(*batch, before);
    before = *batch;
    const auto fits = [&](uint64_t samples) {
      options.batch = samples;
      options.memory_bytes = limit - samples * per_sample;
      return PlanForward(net->model(), options, NetMachine()).has_value();
    };
    EXPECT_TRUE(*batch == 0 || fits(*batch));
    EXPECT_TRUE(*batch == 64 || !fits(*batch + 1));
  }
  EXPECT_GT(before, 0U);
}

}  // namespace
}  // namespace tinyai
