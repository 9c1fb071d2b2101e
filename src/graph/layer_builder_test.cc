#include "graph/layer_builder.h"

#include "fmt/format.h"
#include "graph/attributes.h"
#include "graph/graph_records.h"
#include "graph/shapes.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

op::Window Square(uint32_t size, uint32_t stride, uint32_t pad) {
  return {{size, size}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

// The shape that an op makes of these operands, or the error's key and message.
std::string Made(OpKind kind, const std::vector<Shape>& ins,
                 const std::vector<std::pair<uint64_t, uint64_t>>& weights = {}) {
  LayerBuilder builder("net");
  std::vector<ValueId> values;
  for (size_t i = 0; i < ins.size(); ++i) {
    const auto in = builder.Input(fmt::format("in{}", i), ins[i]);
    if (!in) return in.error().message;
    values.push_back(*in);
  }
  std::vector<WeightId> ids;
  for (const auto& [rows, cols] : weights) {
    ids.push_back(*builder.Weight(fmt::format("w{}", ids.size()), DType::kF32, rows, cols));
  }
  const auto out = builder.Layer("it", LayerRole::kOther, std::move(kind), values, ids);
  if (!out) return fmt::format("{}: {}", out.error().key, out.error().message);
  return ShapeText(builder.graph().value(*out).shape);
}

TEST(OutputShape, FollowsEveryKindsRule) {
  EXPECT_EQ(Made(op::MatMul{}, {{7, 8}}, {{5, 8}, {1, 5}}), "7x5");
  EXPECT_EQ(Made(op::Conv{Square(3, 2, 1), 1}, {{3, 9, 8}}, {{16, 27}, {1, 16}}), "16x5x4");
  EXPECT_EQ(Made(op::Conv{Square(3, 1, 1), 4}, {{4, 5, 5}}, {{4, 9}}), "4x5x5");
  EXPECT_EQ(Made(op::Conv{{{1, 3}, {1, 1}, {1, 2}}, 1}, {{2, 9}}, {{6, 6}}), "6x5");
  EXPECT_EQ(Made(op::ConvTranspose{Square(3, 2, 1), 1, {1, 1}}, {{4, 5, 6}}, {{2, 36}}), "2x10x12");
  EXPECT_EQ(Made(op::Pool{op::PoolKind::kMax, Square(2, 2, 0)}, {{3, 7, 6}}), "3x3x3");
  EXPECT_EQ(Made(op::GlobalPool{op::PoolKind::kAverage}, {{3, 7, 6}}), "3x1x1");
  EXPECT_EQ(Made(op::BatchNorm{1e-5F}, {{3, 4}}, {{1, 3}, {1, 3}, {1, 3}, {1, 3}}), "3x4");
  EXPECT_EQ(Made(op::LayerNorm{1e-5F}, {{3, 4}}, {{1, 4}, {1, 4}}), "3x4");
  EXPECT_EQ(Made(op::GroupNorm{2, 1e-5F}, {{4, 3}}, {{1, 4}, {1, 4}}), "4x3");
  EXPECT_EQ(Made(op::Add{}, {{4, 3, 3}, {4, 1, 1}}), "4x3x3");
  EXPECT_EQ(Made(op::Mul{}, {{4, 3}, {3}}), "4x3");
  EXPECT_EQ(Made(op::Add{}, {{4, 3}}, {{1, 3}}), "4x3");
  EXPECT_EQ(Made(op::Concat{0}, {{2, 3}, {4, 3}}), "6x3");
  EXPECT_EQ(Made(op::Slice{1, 1, 3}, {{2, 3}}), "2x2");
  EXPECT_EQ(Made(op::Reshape{{6}}, {{2, 3}}), "6");
  EXPECT_EQ(Made(op::Transpose{{2, 0, 1}}, {{2, 3, 4}}), "4x2x3");
  EXPECT_EQ(Made(op::Pad{{0, 1}, {0, 2}}, {{2, 3}}), "2x6");
  EXPECT_EQ(Made(op::Resize{{4, 6}, op::ResizeMode::kNearest}, {{2, 2, 3}}), "2x4x6");
  EXPECT_EQ(Made(op::Reduce{op::ReduceKind::kMean, {1}, true}, {{2, 3, 4}}), "2x1x4");
  EXPECT_EQ(Made(op::Reduce{op::ReduceKind::kMean, {0, 1}}, {{2, 3}}), "1");
  EXPECT_EQ(Made(op::Lookup{}, {{5}}, {{100, 8}}), "5x8");
  EXPECT_EQ(Made(op::Attend{4, 2}, {{5, 16}, {7, 8}, {7, 6}}), "5x12");
  EXPECT_EQ(Made(op::Recurrent{op::Cell::kLstm}, {{5, 32}}, {{32, 8}, {1, 32}}), "5x8");
  EXPECT_EQ(Made(op::Recurrent{op::Cell::kLstm, false, true}, {{5, 32}}, {{32, 8}}), "5x2x8");
  EXPECT_EQ(Made(op::Recurrent{op::Cell::kGru}, {{5, 24}, {8}}, {{24, 8}}), "5x8");
  EXPECT_EQ(Made(op::Paste{1, 2, {3, 6}}, {{3, 4}}), "3x6");
}

TEST(OutputShape, NamesWhatDoesNotFit) {
  EXPECT_EQ(Made(op::MatMul{}, {{7, 9}}, {{5, 8}}),
            "GRAPH_SHAPE: dense 'it': its weight w0 is 5 rows of 8, not 5 rows of 9; its operands "
            "are in0 [7x9]");
  EXPECT_EQ(Made(op::Conv{Square(5, 1, 0), 1}, {{3, 4, 4}}, {{2, 75}}),
            "GRAPH_SHAPE: conv 'it': its window of 5 does not fit into 4; its operands are in0 "
            "[3x4x4]");
  EXPECT_EQ(Made(op::Add{}, {{4, 3}, {4}}),
            "GRAPH_SHAPE: add 'it': its second operand does not fit its first; its operands are "
            "in0 [4x3], in1 [4]");
  EXPECT_EQ(Made(op::Softmax{2}, {{4, 3}}), "GRAPH_OP: softmax 'it': there is no axis 2");
  EXPECT_EQ(Made(op::Activation{}, {{4}, {4}}),
            "GRAPH_OP: activation 'it': it has 2 operands, not 1");
  EXPECT_EQ(Made(op::StoreKv{0}, {{4}}), "GRAPH_OP: store_kv 'it': only text models have this op");
  op::Window wide = Square(1 << 14, 1, 0);
  EXPECT_EQ(Made(op::Conv{wide, 1}, {{uint64_t{1} << 40, 1, 1}}, {{1, 1}}).substr(0, 11),
            "GRAPH_SHAPE");
  wide.size = {1 << 15, 1};
  EXPECT_EQ(Made(op::Conv{wide, 1}, {{1, 9, 9}}, {{1, 1}}).substr(0, 8), "GRAPH_OP");
  EXPECT_EQ(Made(op::Reshape{{uint64_t{1} << 40, uint64_t{1} << 40}}, {{4}}).substr(0, 11),
            "GRAPH_SHAPE");
}

Graph SmallNet() {
  LayerBuilder builder("net");
  const ValueId image = *builder.Input("image", {3, 8, 8});
  const ValueId conv =
      *builder.Layer("conv", LayerRole::kConv, op::Conv{Square(3, 1, 1), 1}, {image},
                     {*builder.Weight("conv.weight", DType::kF32, 4, 27)});
  const ValueId relu = *builder.Add("act", op::Activation{op::Function::kLeakyRelu, 0.1F}, {conv});
  const ValueId sum = *builder.Add("sum", op::Add{}, {relu, conv});
  EXPECT_TRUE(builder.EndLayer("block", LayerRole::kOther));
  const ValueId pool =
      *builder.Layer("pool", LayerRole::kOther, op::GlobalPool{op::PoolKind::kMax}, {sum});
  EXPECT_TRUE(builder.Layer("pad", LayerRole::kOther,
                            op::Pad{{0, 0, 1}, {0, 2, 0}, op::PadMode::kEdge, 2}, {pool}));
  return *builder.Finish();
}

Result<Graph> Read(const GraphRecords& records, const Graph& graph) {
  std::vector<TensorInfo> tensors;
  const std::vector<std::string> parts = {"net.tmai"};
  uint64_t offset = 4096;
  for (const Weight& weight : graph.weights) {
    tensors.push_back(
        {weight.name, weight.type, 2, {weight.cols, weight.rows, 1, 1}, 0, offset, weight.bytes});
    offset += weight.bytes;
  }
  return GraphFromRecords(PackedGraph(records), std::move(tensors), parts);
}

TEST(GraphRecords, ComeBackAsTheGraphTheyWereMadeOf) {
  const Graph graph = SmallNet();
  const GraphRecords records = RecordsOf(graph);
  const Result<Graph> back = Read(records, graph);
  ASSERT_TRUE(back) << Describe(back.error());
  EXPECT_EQ(RecordsOf(*back), records);
  ASSERT_EQ(back->layers.size(), 4U);
  EXPECT_EQ(back->layers[1].name, "block");
  EXPECT_EQ(back->layers[1].operands, std::vector<ValueId>{back->layers[0].output});
  EXPECT_EQ(back->layers[0].operands, back->inputs);
  const auto& pad = std::get<op::Pad>(back->ops.back().kind);
  EXPECT_EQ(pad.after, (std::vector<uint64_t>{0, 2, 0}));
  EXPECT_EQ(pad.mode, op::PadMode::kEdge);
  EXPECT_EQ(pad.value, 2);
}

TEST(GraphRecords, ThatMakeNoSenseAreErrors) {
  const Graph graph = SmallNet();
  const auto key_of = [&](const auto& change) {
    GraphRecords records = RecordsOf(graph);
    change(records);
    const Result<Graph> back = Read(records, graph);
    return back ? "none" : back.error().key;
  };
  EXPECT_EQ(key_of([](GraphRecords& r) { r.ops[0].kind = "conv9"; }), "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.ops[0].attributes[0].second = int64_t{3}; }),
            "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.ops[0].attributes[0].first = "sizes"; }), "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) {
              r.ops[0].attributes[0].second = std::vector<int64_t>{3, -1};
            }),
            "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.values[0].shape[0] = 4; }), "GRAPH_SHAPE");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.values[1].shape[0] = 5; }), "GRAPH_SHAPE");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.layers.pop_back(); }), "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.layers[0].output = r.layers[2].output; }), "GRAPH_OP");
  EXPECT_EQ(key_of([](GraphRecords& r) { r.outputs.clear(); }), "GRAPH_OP");
}

}  // namespace
}  // namespace tinyai
