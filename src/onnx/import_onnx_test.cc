#include "onnx/import_onnx.h"

#include <algorithm>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "format/onnx_test_support.h"
#include "gmock/gmock.h"
#include "graph/shapes.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A model, what became of it, and the bytes of its weights.
struct Imported {
  OpenOnnx read;
  Result<ImportedOnnx> result;

  std::vector<float> Weight(size_t index) {
    const WeightRecipe& recipe = result->recipes[index];
    std::vector<float> out(recipe.rows * recipe.cols);
    const std::vector<const ByteSource*> parts = read.parts();
    WeightMaker maker(result->recipes, parts);
    EXPECT_TRUE(maker.Make(index, 0, std::as_writable_bytes(std::span(out))));
    return out;
  }
};

Imported Import(const std::string& bytes, const OnnxOptions& options = {}) {
  Imported out{ReadOnnxBytes(bytes), {}};
  if (!out.read.model) {
    out.result = tl::unexpected<Error>(out.read.model.error());
  } else {
    const std::vector<const ByteSource*> parts = out.read.parts();
    out.result = ImportOnnx(*out.read.model, parts, options);
  }
  return out;
}

std::string TextOf(const Graph& graph) {
  std::string out;
  for (const Op& op : graph.ops) {
    out += fmt::format("{} [{}]", Name(op.kind), ShapeText(graph.value(*op.out).shape));
    for (const WeightId id : op.weights) {
      const Weight& weight = graph.weight(id);
      out += fmt::format(" {} {}x{}", weight.name, weight.rows, weight.cols);
    }
    out += "\n";
  }
  return out;
}

TEST(ImportOnnx, MakesOneOpOfProductAndBiasAndNoneOfReshapes) {
  const std::string bytes = SmallOnnx().Bytes();
  Imported net = Import(bytes);
  ASSERT_TRUE(net.result) << Describe(net.result.error());
  EXPECT_EQ(TextOf(net.result->graph),
            "input [4]\n"
            "dense [3] w 3x4 b 1x3\n"
            "activation [3]\n"
            "dense [2] v 2x3\n");
  EXPECT_EQ(net.Weight(0), (std::vector<float>{1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}));
  EXPECT_EQ(net.Weight(1), (std::vector<float>{-1, 0, 1}));
  EXPECT_EQ(net.Weight(2), (std::vector<float>{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(net.result->graph.layers.back().role, LayerRole::kOutput);
}

TEST(ImportOnnx, PatternsBecomeTheOpsTheyStandFor) {
  OnnxText text;
  text.Input("x", {1, 2, 4})
      .Tensor(OnnxFloats("two", {}, {2}))
      .Tensor(OnnxFloats("epsilon", {}, {1e-5F}))
      .Tensor(OnnxFloats("half", {}, {0.5F}))
      .Tensor(OnnxFloats("one", {}, {1}))
      .Tensor(OnnxFloats("root", {}, {0.70710678F}))
      .Tensor(OnnxFloats("g", {4}, {1, 2, 3, 4}))
      .Tensor(OnnxIntegers("last", {1}, {-1}))
      .Node("ReduceMean", {"x", "last"}, {"mean"})
      .Node("Sub", {"x", "mean"}, {"d"})
      .Node("Mul", {"d", "d"}, {"square"})
      .Node("ReduceMean", {"square", "last"}, {"variance"})
      .Node("Add", {"variance", "epsilon"}, {"plus"})
      .Node("Sqrt", {"plus"}, {"deviation"})
      .Node("Div", {"d", "deviation"}, {"normed"})
      .Node("Mul", {"normed", "g"}, {"scaled"})
      .Node("Mul", {"scaled", "root"}, {"r"})
      .Node("Erf", {"r"}, {"erf"})
      .Node("Add", {"erf", "one"}, {"p"})
      .Node("Mul", {"scaled", "half"}, {"h"})
      .Node("Mul", {"h", "p"}, {"gelu"})
      .Node("Sigmoid", {"gelu"}, {"s"})
      .Node("Mul", {"gelu", "s"}, {"y"})
      .Output("y");
  const std::string bytes = text.Bytes();
  Imported net = Import(bytes);
  ASSERT_TRUE(net.result) << Describe(net.result.error());
  EXPECT_EQ(TextOf(net.result->graph),
            "input [2x4]\n"
            "layer_norm [2x4] Div_node.scale 1x4 Div_node.shift 1x4\n"
            "activation [2x4]\n"
            "activation [2x4]\n");
}

// Every piece that a writer may ask for is the same part of the same weight.
TEST(ImportOnnx, PiecesOfAWeightAreThoseOfTheWhole) {
  std::vector<float> numbers(7 * 12);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  OnnxTensor tensor{.name = "t", .dims = {84}, .elements = 84};
  const auto bytes = std::as_bytes(std::span(numbers));
  tensor.here.assign(bytes.begin(), bytes.end());
  const std::vector<WeightRecipe> recipes = {
      {.tensor = &tensor, .rows = 7, .cols = 12, .length = 12},
      {.tensor = &tensor, .rows = 12, .cols = 7, .chunks = 7, .length = 1, .stride = 12},
      {.tensor = &tensor, .rows = 12, .cols = 7, .chunks = 7, .length = 1, .stride = 6, .scale = 2},
      {.tensor = &tensor, .rows = 6, .cols = 14, .chunks = 7, .length = 2, .stride = 3},
      {.tensor = &tensor, .rows = 6, .cols = 6, .first = 12, .length = 6, .order = {2, 0, 1}},
  };
  for (size_t i = 0; i < recipes.size(); ++i) {
    WeightMaker maker(recipes, {});
    std::vector<float> whole(recipes[i].rows * recipes[i].cols);
    ASSERT_TRUE(maker.Make(i, 0, std::as_writable_bytes(std::span(whole))));
    for (size_t begin = 0; begin < whole.size(); begin += 5) {
      std::vector<float> piece(std::min<size_t>(5, whole.size() - begin));
      ASSERT_TRUE(maker.Make(i, begin * 4, std::as_writable_bytes(std::span(piece))));
      EXPECT_TRUE(std::ranges::equal(piece, std::span(whole).subspan(begin, piece.size()))) << i;
    }
  }
}

TEST(ImportOnnx, RowsAreWhereTheRecipeSays) {
  std::vector<float> numbers(24);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i);
  OnnxTensor tensor{.name = "t", .dims = {24}, .elements = 24};
  const auto bytes = std::as_bytes(std::span(numbers));
  tensor.here.assign(bytes.begin(), bytes.end());
  const auto made = [&](const WeightRecipe& recipe) {
    std::vector<float> out(recipe.rows * recipe.cols);
    EXPECT_TRUE(WeightMaker({&recipe, 1}, {}).Make(0, 0, std::as_writable_bytes(std::span(out))));
    return out;
  };
  // Two groups, of two inputs and three outputs with two taps each: [input][output][tap].
  EXPECT_EQ(made({.tensor = &tensor, .rows = 6, .cols = 4, .chunks = 2, .length = 2, .stride = 3}),
            (std::vector<float>{0,  1,  6,  7,  2,  3,  8,  9,  4,  5,  10, 11,
                                12, 13, 18, 19, 14, 15, 20, 21, 16, 17, 22, 23}));
  // The second half; its three blocks of two rows in another order.
  EXPECT_EQ(
      made({.tensor = &tensor, .rows = 6, .cols = 2, .first = 12, .length = 2, .order = {2, 0, 1}}),
      (std::vector<float>{20, 21, 22, 23, 12, 13, 14, 15, 16, 17, 18, 19}));
}

TEST(ImportOnnx, NamesTheOpAndTheNodeThatItDoesNotKnow) {
  OnnxText text;
  text.Input("x", {1, 4}).Node("Einsum", {"x"}, {"y"}).Output("y");
  Imported net = Import(text.Bytes());
  ASSERT_FALSE(net.result);
  EXPECT_EQ(net.result.error().key, "ONNX_OP");
  EXPECT_EQ(net.result.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(net.result.error().message, AllOf(HasSubstr("Einsum"), HasSubstr("Einsum_node")));
}

void ExpectError(std::string_view key, const OnnxText& text, ErrorCode code) {
  const std::string bytes = text.Bytes();
  const Imported net = Import(bytes);
  ASSERT_FALSE(net.result) << key;
  EXPECT_EQ(net.result.error().key, key) << Describe(net.result.error());
  EXPECT_EQ(net.result.error().code, code) << Describe(net.result.error());
}

TEST(ImportOnnx, RefusesGraphsThatMakeNoSense) {
  const auto from = [] {
    OnnxText text;
    return text.Input("x", {1, 4}).Tensor(OnnxFloats("c", {3}, {1, 2, 3}));
  };
  constexpr ErrorCode kBad = ErrorCode::kBadFile, kUnknown = ErrorCode::kUnsupported;
  ExpectError("ONNX_GRAPH", from().Node("Relu", {"z"}, {"y"}).Output("y"), kBad);
  ExpectError("ONNX_GRAPH", from().Node("Relu", {"y"}, {"y"}).Output("y"), kBad);  // a cycle
  ExpectError("ONNX_GRAPH",
              from().Node("Relu", {"x"}, {"y"}).Node("Tanh", {"x"}, {"y"}).Output("y"), kBad);
  ExpectError("ONNX_GRAPH", from().Node("Relu", {"x"}, {"y"}).Output("z"), kBad);
  ExpectError("ONNX_GRAPH", from().Node("Relu", {"x"}, {"y"}), kBad);
  ExpectError("ONNX_GRAPH", from().Output("x"), kBad);  // nothing is computed
  ExpectError("ONNX_GRAPH", from().Output("c"), kBad);
  ExpectError("ONNX_OP", from().Node("Relu", {}, {"y"}).Output("y"), kBad);
  ExpectError("ONNX_OP", from().Node("Add", {"x", "c"}, {"y"}).Output("y"), kBad);
  ExpectError("ONNX_OP", from().Node("Reshape", {"x", "c"}, {"y"}).Output("y"), kBad);
  ExpectError("ONNX_OP", from().Node("Div", {"c", "x"}, {"y"}).Output("y"), kUnknown);
  ExpectError("ONNX_OP", from().Node("MatMul", {"x", "x"}, {"y"}).Output("y"), kUnknown);
  OnnxText single;  // a number has no axes that could be turned
  const std::string perm = ProtoBytes(5, ProtoBytes(1, "perm") + ProtoNumber(8, 1));
  ExpectError("ONNX_OP", single.Input("x", {}).Node("Transpose", {"x"}, {"y"}, perm).Output("y"),
              kBad);
  OnnxText old = from().Node("Relu", {"x"}, {"y"}).Output("y");
  old.opset = 6;
  ExpectError("ONNX_VERSION", old, kUnknown);
  old.opset = 1000;
  ExpectError("ONNX_VERSION", old, kUnknown);
}

TEST(ImportOnnx, AxesWithoutASizeAreToldOne) {
  OnnxText text;
  const std::string bytes =
      text.Input("x", {0, 0, 4}).Node("Relu", {"x"}, {"y"}).Output("y").Bytes();
  const Imported without = Import(bytes);
  ASSERT_FALSE(without.result);
  EXPECT_EQ(without.result.error().key, "ONNX_SHAPE");
  EXPECT_THAT(without.result.error().message, HasSubstr("--dim seq=SIZE"));
  const Imported with = Import(bytes, {.sizes = {{"seq", 3}}});
  ASSERT_TRUE(with.result) << Describe(with.result.error());
  EXPECT_EQ(with.result->graph.value(with.result->graph.inputs[0]).shape, (Shape{3, 3, 4}));
}

// Whatever a byte becomes: the same model, another one, or an error that says what is wrong.
TEST(ImportOnnx, EveryDamagedByteIsAnErrorOrAModel) {
  const std::string whole = SmallOnnx().Bytes();
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const uint8_t value : {0, 1, 127, 128, 255, static_cast<uint8_t>(whole[at]) ^ 0x10}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(value);
      Imported net = Import(bytes);
      if (!net.result) {
        EXPECT_FALSE(net.result.error().key.empty());
        EXPECT_FALSE(net.result.error().message.empty()) << at;
        continue;
      }
      for (size_t i = 0; i < net.result->recipes.size(); ++i) net.Weight(i);
    }
  }
}

}  // namespace
}  // namespace tinyai
