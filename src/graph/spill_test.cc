#include "graph/spill.h"

#include "fmt/format.h"
#include "graph/layer_builder.h"
#include "graph/recompute.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

// skip is read by deep and, after wide and narrow, by sum.
BandedGraph SkipGraph() {
  LayerBuilder builder("skip");
  ValueId x = *builder.Input("image", {4, 8, 8});
  const auto relu = [&](std::string_view name, ValueId in) {
    return *builder.Layer(std::string(name), LayerRole::kOther, op::Activation{op::Function::kRelu},
                          {in}, {});
  };
  const ValueId skip = relu("skip", x);
  x = relu("deep", skip);
  x = relu("wide", x);
  x = relu("narrow", x);
  x = *builder.Layer("sum", LayerRole::kOther, op::Add{}, {x, skip}, {});
  relu("last", x);
  return WithoutBands(*builder.Finish());
}

std::string OpsOf(const Graph& graph) {
  std::string out;
  for (const Layer& layer : graph.layers) {
    out += layer.name + ":";
    for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
      out += " " + graph.ops[i].name;
    }
    out += "\n";
  }
  return out;
}

TEST(Spill, WritesAfterTheLastEarlyReaderAndReadsBeforeTheLateOne) {
  const Result<BandedGraph> spilled = SpillFor(SkipGraph(), 0, 4);
  ASSERT_TRUE(spilled) << Describe(spilled.error());
  const Graph& graph = spilled->graph;
  EXPECT_EQ(OpsOf(graph),
            "skip: image skip\ndeep: deep skip.spill\nwide: wide\nnarrow: narrow\n"
            "sum: skip.fetch sum\nlast: last\n");
  EXPECT_TRUE(Spills(graph));
  const Op& spill = graph.ops[3];
  EXPECT_EQ(graph.value(*spill.out).row_bytes, 0u);
  const Op& sum = graph.ops[7];
  EXPECT_EQ(graph.value(sum.ins[1]).name, "skip.back");
  EXPECT_EQ(ReadersOf(graph, 0), (std::vector<uint32_t>{1}));
}

TEST(Spill, FetchesMayComeEarlierButNotBeforeTheWrite) {
  const Result<BandedGraph> spilled = SpillFor(SkipGraph(), 0, 4);
  ASSERT_TRUE(spilled) << Describe(spilled.error());
  std::optional<BandedGraph> earlier = FetchEarlier(*spilled, OpId(6));
  ASSERT_TRUE(earlier);
  EXPECT_EQ(OpsOf(earlier->graph),
            "skip: image skip\ndeep: deep skip.spill\nwide: wide\nnarrow: skip.fetch narrow\n"
            "sum: sum\nlast: last\n");
  earlier = FetchEarlier(*earlier, OpId(5));
  ASSERT_TRUE(earlier);
  EXPECT_FALSE(FetchEarlier(*earlier, OpId(4)));
}

TEST(Spill, IsRefusedWhereNothingWouldBeGained) {
  const BandedGraph graph = SkipGraph();
  EXPECT_FALSE(Spills(graph.graph));
  for (const auto& [layer, reader] : {std::pair(0u, 1u), {0u, 3u}, {0u, 9u}, {5u, 6u}, {1u, 2u}}) {
    const Result<BandedGraph> spilled = SpillFor(graph, layer, reader);
    ASSERT_FALSE(spilled) << layer << " " << reader;
    EXPECT_EQ(spilled.error().key, "GRAPH_DEPENDENCY");
  }
}

TEST(Spill, IsNotComputedAgainWithItsLayer) {
  BandedGraph graph = SkipGraph();
  const Result<BandedGraph> spilled = SpillFor(graph, 0, 4);
  ASSERT_TRUE(spilled);
  const Result<BandedGraph> again = RecomputeFor(*spilled, 1, 2);
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(OpsOf(again->graph),
            "skip: image skip\ndeep: deep skip.spill\nwide: deep.again wide\nnarrow: narrow\n"
            "sum: skip.fetch sum\nlast: last\n");
}

}  // namespace
}  // namespace tinyai
