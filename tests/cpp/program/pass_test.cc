#include <fstream>
#include <iterator>

#include "test_support.h"

namespace {

using tinyai::Graph;
using tinyai::Model;
using tinyai::Pass;

// [2, 6, 6] -> conv 3 x 3 -> relu -> conv 3 x 3 -> sum with the first -> mean of each channel.
Model Residual() {
  static const std::vector<float> kernel = [] {
    std::vector<float> out(2 * 2 * 9);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i % 7) / 7 - 0.4f;
    return out;
  }();
  Graph graph("residual");
  const tinyai::ConvOptions same = {
      .window = {.size = {3, 3}, .pad_begin = {1, 1}, .pad_end = {1, 1}}};
  const Graph::Value in = graph.Input("x", {2, 6, 6});
  const Graph::Value first = graph.Conv("c1", in, graph.AddWeight("k1", 2, 18, kernel), same);
  graph.EndLayer("c1", tinyai::Role::kConv);
  const Graph::Value active = graph.Activate("r1", first, tinyai::Function::kRelu);
  graph.EndLayer("r1");
  const Graph::Value second = graph.Conv("c2", active, graph.AddWeight("k2", 2, 18, kernel), same);
  graph.EndLayer("c2", tinyai::Role::kConv);
  const Graph::Value sum = graph.Add("sum", first, second);
  graph.EndLayer("sum");
  graph.GlobalAveragePool("mean", sum);
  graph.EndLayer("mean", tinyai::Role::kOutput);
  return SaveAndOpen(graph, "residual.tmai");
}

std::vector<float> SomeInput(std::size_t size) {
  std::vector<float> out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<float>(i % 11) / 11 - 0.5f;
  return out;
}

TEST(Pass, GivesTheSameBitsInEveryModeAndBatch) {
  const Model model = Residual();
  Pass normal = Pass::Prepare(model, {.mode = tinyai::Mode::kNormal}).value();
  ASSERT_EQ(normal.input_size(), 72u);
  ASSERT_EQ(normal.output_size(), 2u);
  const std::vector<float> input = SomeInput(144);
  const std::vector<float> one(input.begin(), input.begin() + 72),
      two(input.begin() + 72, input.end());
  const std::vector<float> first = RunPass(normal, one), second = RunPass(normal, two);
  EXPECT_NE(first, second);
  std::size_t peak = normal.planned_peak_bytes();
  for (const tinyai::Mode mode : {tinyai::Mode::kMemory, tinyai::Mode::kStreaming}) {
    Pass pass = Pass::Prepare(model, {.mode = mode}).value();
    EXPECT_EQ(RunPass(pass, one), first);
    EXPECT_LE(pass.peak_bytes(), pass.planned_peak_bytes());
    EXPECT_LE(pass.planned_peak_bytes(), peak);
    EXPECT_EQ(pass.mode(), mode);
    peak = pass.planned_peak_bytes();
  }
  Pass both = Pass::Prepare(model, {.batch = 2}).value();
  std::vector<float> expected = first;
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(RunPass(both, input), expected);
}

TEST(Pass, KeepsWhatItsModeKeeps) {
  const Model model = Residual();
  Pass normal = Pass::Prepare(model, {.mode = tinyai::Mode::kNormal}).value();
  const std::vector<float> output = RunPass(normal, SomeInput(72));
  ASSERT_TRUE(normal.output(0));
  EXPECT_EQ(normal.output(0)->size(), 72u);
  const std::vector<float> last(normal.output(4)->begin(), normal.output(4)->end());
  EXPECT_EQ(last, output);
  Pass lean = Pass::Prepare(model, {.mode = tinyai::Mode::kMemory}).value();
  RunPass(lean, SomeInput(72));
  EXPECT_FALSE(lean.output(0));
  EXPECT_FALSE(lean.output(9));
}

TEST(Pass, IsWiredByItsCaller) {
  const Model model = Residual();
  Pass own = Pass::Prepare(model).value();
  // Written down the other way round.
  Pass same = Pass::Prepare(model, {.layers = {{4, {3}}, {3, {0, 2}}, {2, {1}}, {1, {0}}, {0, {}}}})
                  .value();
  EXPECT_EQ(RunPass(same, SomeInput(72)), RunPass(own, SomeInput(72)));
  Pass part = Pass::Prepare(model, {.layers = {{0, {}}, {1, {0}}}}).value();
  EXPECT_EQ(part.output_size(), 72u);
  const auto cycle = Pass::Prepare(model, {.layers = {{1, {2}}, {2, {1}}}});
  EXPECT_EQ(cycle.error().key, "SCHEDULE_CYCLE");
}

TEST(Pass, IsRefusedOrStoppedCleanly) {
  const Model model = Residual();
  EXPECT_EQ(Pass::Prepare(model, {.memory_bytes = 64}).error().key, "BUDGET_INFEASIBLE");
  EXPECT_EQ(Pass::Prepare(OpenText()).error().key, "UNSUPPORTED_TEXT");
  EXPECT_EQ(Pass::Prepare(model, {.batch = 0}).error().key, "ARG_VALUE");
  Pass pass = Pass::Prepare(model).value();
  const std::vector<float> input = SomeInput(72);
  std::vector<float> output(2);
  EXPECT_EQ(pass.Run(SomeInput(71), output).error().key, "ARG_VALUE");
  EXPECT_EQ(pass.Run(input, std::span(output).first(1)).error().key, "ARG_VALUE");
  std::vector<int> heard;
  const auto two = [&](int layer) {
    heard.push_back(layer);
    return heard.size() < 2;
  };
  EXPECT_EQ(pass.Run(input, output, two).error().key, "CANCELLED");
  EXPECT_EQ(heard, (std::vector<int>{0, 1}));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(pass.Run(input, output, {}, stop.get_token()).error().code, TINYAI_ERROR_CANCELLED);
  pass.Run(input, output).value();
  Pass fresh = Pass::Prepare(model).value();
  EXPECT_EQ(output, RunPass(fresh, input));
}

TEST(Pass, WritesATrace) {
  Pass pass = Pass::Prepare(Residual(), {.trace_bytes = 1 << 16}).value();
  RunPass(pass, SomeInput(72));
  const std::string path = FilePath("pass.json");
  std::move(pass).WriteTrace(path).value();
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find("\"c1"), std::string::npos);
  EXPECT_EQ(Pass::Prepare(Residual()).value().breakdown().context, 0u);
}

}  // namespace
