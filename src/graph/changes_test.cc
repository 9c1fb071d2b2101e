#include "graph/changes.h"

#include "graph/layer_builder.h"
#include "graph/recompute.h"
#include "graph/spill.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// first -> second -> third, and a sum of the first and the third.
Graph SkipGraph() {
  LayerBuilder builder("net");
  const op::Window window{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  ValueId x = *builder.Input("image", {2, 16, 16});
  std::vector<ValueId> made;
  for (const char* name : {"first", "second", "third"}) {
    const uint64_t cols = builder.graph().value(x).shape[0] * 9;
    const WeightId weight = *builder.Weight(std::string(name) + ".weight", DType::kF32, 8, cols);
    x = *builder.Layer(name, LayerRole::kConv, op::Conv{window}, {x}, {weight});
    made.push_back(x);
  }
  *builder.Layer("sum", LayerRole::kOther, op::Add{}, {x, made[0]}, {});
  return *builder.Finish();
}

std::vector<std::string> OpNames(const Graph& graph) {
  std::vector<std::string> names;
  for (const Op& op : graph.ops) names.push_back(op.name);
  return names;
}

TEST(ApplyChanges, MakesTheSameGraphAgain) {
  const Graph graph = SkipGraph();
  const BandedGraph plain = WithoutBands(graph);
  EXPECT_TRUE(plain.changes.empty());
  const BandedGraph cut = *CutIntoBands(plain, 1, 2, 4);
  const BandedGraph again = *RecomputeFor(plain, 0, 3);
  const BandedGraph spilled = *SpillFor(plain, 0, 3);
  const auto fetch =
      std::find_if(spilled.graph.ops.begin(), spilled.graph.ops.end(),
                   [](const Op& op) { return std::holds_alternative<op::Fetch>(op.kind); });
  const BandedGraph early = *FetchEarlier(spilled, OpId(fetch - spilled.graph.ops.begin()));
  for (const BandedGraph* changed : {&cut, &again, &spilled, &early}) {
    ASSERT_FALSE(changed->changes.empty());
    const Result<BandedGraph> made = ApplyChanges(graph, changed->changes);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(OpNames(made->graph), OpNames(changed->graph));
    EXPECT_EQ(made->changes, changed->changes);
    EXPECT_NE(OpNames(made->graph), OpNames(graph));
  }
}

TEST(ApplyChanges, RefusesWhatCannotBeMade) {
  const Graph graph = SkipGraph();
  using Kind = GraphChange::Kind;
  const GraphChange bad[] = {
      {Kind::kBands, 2, 1, 2, "x"},        {Kind::kBands, 0, 9, 2, "x"},
      {Kind::kBands, 1, 2, 0, "x"},        {Kind::kBands, 1, 2, 17, "x"},
      {Kind::kBands, 1, 2, ~0u, "x"},      {Kind::kRecompute, 9, 3, 0, "x"},
      {Kind::kRecompute, 3, 0, 0, "x"},    {Kind::kRecompute, 0, 99, 0, "x"},
      {Kind::kSpill, 0, 1, 0, "x"},        {Kind::kSpill, 77, 1, 0, "x"},
      {Kind::kFetchEarlier, 0, 0, 0, "x"}, {Kind::kFetchEarlier, 999, 0, 0, "x"}};
  for (const GraphChange& change : bad) {
    const Result<BandedGraph> made = ApplyChanges(graph, {&change, 1});
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().key, "GRAPH_CHANGE");
    EXPECT_NE(made.error().message.find("'x'"), std::string::npos) << made.error().message;
  }
}

TEST(ApplyChanges, AListThatNeverEndsIsRefused) {
  const Graph graph = SkipGraph();
  const std::vector<GraphChange> changes(5000, {GraphChange::Kind::kRecompute, 0, 3, 0, "first"});
  EXPECT_EQ(ApplyChanges(graph, changes).error().key, "GRAPH_CHANGE");
}

}  // namespace
}  // namespace tinyai
