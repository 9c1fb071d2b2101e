#include <cmath>
#include <cstring>
#include <functional>

#include "test_support.h"

namespace {

using tinyai::Graph;
using Numbers = std::vector<float>;
using Value = Graph::Value;

// A graph of one layer from an input of this shape.
Numbers Compute(const std::vector<std::size_t>& shape, const Numbers& input,
                const std::function<void(Graph&, Value)>& add) {
  Graph graph("one");
  add(graph, graph.Input("x", shape));
  EXPECT_EQ(graph.EndLayer("layer"), 0);
  const tinyai::Model model = SaveAndOpen(graph, "one.tmai");
  tinyai::Pass pass = tinyai::Pass::Prepare(model).value();
  return RunPass(pass, input);
}

void ExpectNear(const Numbers& made, const Numbers& expected) {
  ASSERT_EQ(made.size(), expected.size());
  for (std::size_t i = 0; i < made.size(); ++i) EXPECT_NEAR(made[i], expected[i], 1e-5) << i;
}

const Numbers kFour = {1, 2, 3, 4};

TEST(Graph, ComputesProducts) {
  const Numbers matrix = {1, 0, 0, 1, 0, 2, 0, 0}, bias = {10, 20};
  ExpectNear(Compute({4}, kFour,
                     [&](Graph& g, Value x) {
                       g.Dense("d", x, g.AddWeight("m", 2, 4, matrix), g.AddVector("b", bias));
                     }),
             {15, 24});
  const Numbers kernel = {1, 1, 1, 1};
  ExpectNear(Compute({1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9},
                     [&](Graph& g, Value x) {
                       g.Conv("c", x, g.AddWeight("k", 1, 4, kernel), {.window = {.size = {2, 2}}});
                     }),
             {12, 16, 24, 28});
  ExpectNear(Compute({1, 2}, {1, 2},
                     [&](Graph& g, Value x) {
                       g.ConvTranspose("c", x, g.AddWeight("k", 1, 2, std::span(kernel).first(2)),
                                       {.window = {.size = {1, 2}, .stride = {1, 2}}});
                     }),
             {1, 1, 2, 2});
}

TEST(Graph, ComputesPools) {
  const tinyai::PoolOptions two = {.window = {.size = {2, 2}, .stride = {2, 2}}};
  const auto pooled = [&](const std::function<void(Graph&, Value)>& add) {
    return Compute({1, 2, 2}, kFour, add);
  };
  ExpectNear(pooled([&](Graph& g, Value x) { g.MaxPool("p", x, two); }), {4});
  ExpectNear(pooled([&](Graph& g, Value x) { g.AveragePool("p", x, two); }), {2.5f});
  ExpectNear(pooled([](Graph& g, Value x) { g.GlobalMaxPool("p", x); }), {4});
  ExpectNear(pooled([](Graph& g, Value x) { g.GlobalAveragePool("p", x); }), {2.5f});
}

TEST(Graph, ComputesNorms) {
  const Numbers one = {1, 1, 1, 1}, none = {0, 0, 0, 0};
  const float d = std::sqrt(1.25f), r = std::sqrt(7.5f);
  const Numbers centred = {-1.5f / d, -0.5f / d, 0.5f / d, 1.5f / d};
  ExpectNear(Compute({4}, kFour,
                     [&](Graph& g, Value x) {
                       g.LayerNorm("n", x, g.AddVector("s", one), g.AddVector("t", none), 1e-9);
                     }),
             centred);
  ExpectNear(Compute({4}, kFour,
                     [&](Graph& g, Value x) { g.RmsNorm("n", x, g.AddVector("s", one), 4, 1e-9); }),
             {1 / r, 2 / r, 3 / r, 4 / r});
  ExpectNear(Compute({4, 1, 1}, kFour,
                     [&](Graph& g, Value x) {
                       g.GroupNorm("n", x, 1, g.AddVector("s", one), g.AddVector("t", none), 1e-9);
                     }),
             centred);
  const Numbers mean = {1, 1, 1, 1}, variance = {4, 4, 4, 4};
  ExpectNear(Compute({4, 1, 1}, kFour,
                     [&](Graph& g, Value x) {
                       g.BatchNorm("n", x, g.AddVector("s", one), g.AddVector("t", none),
                                   g.AddVector("m", mean), g.AddVector("v", variance), 1e-9);
                     }),
             {0, 0.5f, 1, 1.5f});
}

TEST(Graph, ComputesElementByElement) {
  const Numbers two = {2};
  const auto made = [&](const std::function<void(Graph&, Value)>& add) {
    return Compute({4}, {-2, -1, 1, 8}, add);
  };
  using enum tinyai::Function;
  const auto activate = [&](tinyai::Function function, double alpha = 0) {
    return made([&](Graph& g, Value x) { g.Activate("a", x, function, alpha); });
  };
  ExpectNear(activate(kRelu), {0, 0, 1, 8});
  ExpectNear(activate(kLeakyRelu, 0.5), {-1, -0.5f, 1, 8});
  ExpectNear(activate(kClip, 6), {0, 0, 1, 6});
  ExpectNear(activate(kHardSwish), {-1.0f / 3, -1.0f / 3, 2.0f / 3, 8});
  ExpectNear(activate(kHardSigmoid), {1.0f / 6, 1.0f / 3, 2.0f / 3, 1});
  const auto each = [](auto function) {
    Numbers out;
    for (const float x : {-2.f, -1.f, 1.f, 8.f}) out.push_back(static_cast<float>(function(x)));
    return out;
  };
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  ExpectNear(activate(kSigmoid), each(sigmoid));
  ExpectNear(activate(kSilu), each([&](double x) { return x * sigmoid(x); }));
  ExpectNear(activate(kTanh), each([](double x) { return std::tanh(x); }));
  ExpectNear(activate(kGelu),
             each([](double x) { return x * (1 + std::erf(x / std::sqrt(2.0))) / 2; }));
  ExpectNear(activate(kGeluTanh), each([](double x) {
               return x / 2 * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
             }));
  ExpectNear(made([](Graph& g, Value x) { g.Add("s", x, x); }), {-4, -2, 2, 16});
  ExpectNear(made([](Graph& g, Value x) { g.Mul("m", x, x); }), {4, 1, 1, 64});
  ExpectNear(made([&](Graph& g, Value x) { g.Add("s", x, g.AddVector("w", two)); }), {0, 1, 3, 10});
  ExpectNear(made([&](Graph& g, Value x) { g.Mul("m", x, g.AddVector("w", two)); }),
             {-4, -2, 2, 16});
  ExpectNear(made([](Graph& g, Value x) { g.SiluMul("m", x, x); }),
             each([&](double x) { return x * x * sigmoid(x); }));
}

TEST(Graph, ComputesShapes) {
  const auto made = [&](const std::function<void(Graph&, Value)>& add) {
    return Compute({2, 2}, kFour, add);
  };
  ExpectNear(made([](Graph& g, Value x) { g.Concat("c", {x, x}, 0); }), {1, 2, 3, 4, 1, 2, 3, 4});
  ExpectNear(made([](Graph& g, Value x) { g.Slice("s", x, 1, 1, 2); }), {2, 4});
  ExpectNear(made([](Graph& g, Value x) { g.Reshape("r", x, {4}); }), kFour);
  ExpectNear(made([](Graph& g, Value x) { g.Transpose("t", x, {1, 0}); }), {1, 3, 2, 4});
  ExpectNear(made([](Graph& g, Value x) {
               g.Pad("p", x, {0, 1}, {0, 0}, tinyai::PadMode::kConstant, 7);
             }),
             {7, 1, 2, 7, 3, 4});
  ExpectNear(made([](Graph& g, Value x) {
               g.Pad("p", x, {0, 1}, {0, 1}, tinyai::PadMode::kReflect);
             }),
             {2, 1, 2, 1, 4, 3, 4, 3});
  ExpectNear(made([](Graph& g, Value x) { g.Resize("r", x, {4}); }), {1, 1, 2, 2, 3, 3, 4, 4});
  ExpectNear(
      made([](Graph& g, Value x) { g.Resize("r", x, {3}, tinyai::ResizeMode::kLinear, true); }),
      {1, 1.5f, 2, 3, 3.5f, 4});
  ExpectNear(made([](Graph& g, Value x) { g.Reduce("r", x, tinyai::Reduction::kSum, {1}); }),
             {3, 7});
  ExpectNear(made([](Graph& g, Value x) { g.Reduce("r", x, tinyai::Reduction::kMax, {0}, true); }),
             {3, 4});
  const float low = 1 / (1 + std::exp(1.0f));
  ExpectNear(made([](Graph& g, Value x) { g.Softmax("s", x, 1); }), {low, 1 - low, low, 1 - low});
}

TEST(Graph, ComputesWhatSequencesNeed) {
  const Numbers table = {1, 2, 3, 4, 5, 6};
  ExpectNear(Compute({2}, {2, 0},
                     [&](Graph& g, Value x) { g.Lookup("l", x, g.AddWeight("t", 3, 2, table)); }),
             {5, 6, 1, 2});
  // Two equal keys: the mean of the values; a causal first row sees only itself.
  ExpectNear(Compute({2, 1}, {1, 1}, [](Graph& g, Value x) { g.Attention("a", x, x, x, {}); }),
             {1, 1});
  const float high = 1 / (1 + std::exp(-2.0f));  // scores 2 and 4 of the second row
  ExpectNear(Compute({2, 1}, {1, 2},
                     [](Graph& g, Value x) { g.Attention("a", x, x, x, {.causal = true}); }),
             {1, 2 * high + (1 - high)});
  // An LSTM of one unit without recurrence: sigmoid(o) tanh(sigmoid(i) tanh(g)).
  const Numbers no = {0, 0, 0, 0};
  const float s = 1 / (1 + std::exp(-1.0f));
  const float h = s * std::tanh(s * std::tanh(1.0f));
  ExpectNear(
      Compute({1, 4}, {1, 1, 1, 1},
              [&](Graph& g, Value x) { g.Recurrent("r", x, g.AddWeight("w", 4, 1, no), {}); }),
      {h});
  ExpectNear(Compute({1, 3}, {1, 1, 1},
                     [&](Graph& g, Value x) {
                       g.Recurrent("r", x, g.AddWeight("w", 3, 1, std::span(no).first(3)),
                                   {.cell = tinyai::Cell::kGru});
                     }),
             {(1 - s) * std::tanh(1.0f)});
}

TEST(Graph, AsksForWeightsPieceByPiece) {
  const Numbers matrix = {1, 2, 3, 4};
  bool goes_on = true;
  Graph graph;
  const auto source = [&](std::uint64_t offset, std::span<std::byte> out) {
    std::memcpy(out.data(), reinterpret_cast<const std::byte*>(matrix.data()) + offset, out.size());
    return goes_on;
  };
  const Value x = graph.Input("x", {2});
  graph.Dense("d", x, graph.AddWeight("m", "F32", 2, 2, source));
  graph.EndLayer("d");
  const tinyai::Model model = SaveAndOpen(graph, "streamed.tmai");
  tinyai::Pass pass = tinyai::Pass::Prepare(model).value();
  ExpectNear(RunPass(pass, {1, 1}), {3, 7});
  goes_on = false;
  EXPECT_EQ(graph.Save(FilePath("streamed.tmai")).error().key, "CANCELLED");
}

TEST(Graph, KeepsItsFirstMistake) {
  Graph graph;
  const Value x = graph.Input("x", {4});
  EXPECT_FALSE(graph.error());
  const Value wrong = graph.Reshape("r", x, {3});
  EXPECT_EQ(wrong.id, -1);
  ASSERT_TRUE(graph.error());
  EXPECT_EQ(graph.error()->key, "GRAPH_SHAPE");
  graph.Op("o", "no such kind", "", {wrong});
  EXPECT_EQ(graph.EndLayer("l"), -1);
  EXPECT_EQ(graph.Save(FilePath("wrong.tmai")).error().key, "GRAPH_SHAPE");
  Graph sizes;
  sizes.AddWeight("m", 2, 3, kFour);
  EXPECT_EQ(sizes.error()->key, "ARG_VALUE");
}

}  // namespace
