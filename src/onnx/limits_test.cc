// What a small file may make the importer do: a few bytes can ask for constants of any size.

#include "fmt/format.h"
#include "format/onnx_test_support.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "onnx/import_onnx.h"

namespace tinyai {
namespace {

using testing::HasSubstr;

constexpr uint64_t kLong = uint64_t{1} << 40;

Result<ImportedOnnx> Import(const OnnxText& text) {
  const std::string bytes = text.Bytes();
  const OpenOnnx read = ReadOnnxBytes(bytes);
  if (!read.model) return tl::unexpected<Error>(read.model.error());
  return ImportOnnx(*read.model, read.parts(), {});
}

void ExpectRefused(const OnnxText& text, std::string_view message) {
  const Result<ImportedOnnx> net = Import(text);
  ASSERT_FALSE(net) << message;
  EXPECT_EQ(net.error().key, "ONNX_OP");
  EXPECT_THAT(net.error().message, HasSubstr(message));
}

OnnxText LongRow() {
  OnnxText text;
  text.Input("x", {1, kLong}).Tensor(OnnxFloats("two", {}, {2})).Output("y");
  return text;
}

TEST(OnnxLimits, NumbersAreNotRepeatedAlongAnyAxis) {
  const std::string_view kWhy = "more than 2^22 elements";
  ExpectRefused(LongRow().Node("Add", {"x", "two"}, {"y"}), kWhy);
  ExpectRefused(LongRow().Node("Mul", {"x", "two"}, {"y"}), kWhy);
  ExpectRefused(LongRow()
                    .Tensor(OnnxIntegers("last", {1}, {-1}))
                    .Node("ReduceMean", {"x", "last"}, {"mean"})
                    .Node("Sub", {"x", "mean"}, {"d"})
                    .Node("Mul", {"d", "d"}, {"square"})
                    .Node("ReduceMean", {"square", "last"}, {"variance"})
                    .Node("Add", {"variance", "two"}, {"plus"})
                    .Node("Sqrt", {"plus"}, {"deviation"})
                    .Node("Div", {"d", "deviation"}, {"y"}),
                kWhy);
  OnnxText groups = LongRow().Tensor(OnnxFloats("s", {1}, {1}));
  groups.opset = 18;
  ExpectRefused(
      groups.Node("GroupNormalization", {"x", "s", "s"}, {"y"}, OnnxInteger("num_groups", 1)),
      kWhy);
}

TEST(OnnxLimits, MasksOfManyPositionsAreRefused) {
  constexpr uint64_t kPositions = uint64_t{1} << 32;  // squared, 0 in 64 bits
  OnnxText text;
  text.Input("q", {kPositions, 1})
      .Input("k", {1, kPositions})
      .Tensor(OnnxFloats("mask", {1, 1}, {0}))
      .Node("MatMul", {"q", "k"}, {"scores"})
      .Node("Add", {"scores", "mask"}, {"masked"})
      .Node("Softmax", {"masked"}, {"p"})
      .Node("MatMul", {"p", "q"}, {"y"})
      .Output("y");
  ExpectRefused(text, "more than 2^22 elements");
}

TEST(OnnxLimits, AxesBesideOneOfNoElementsAreBounded) {
  OnnxText text;
  text.Input("x", {1, 4})
      .Tensor(OnnxIntegers("shape", {2}, {0, int64_t{1} << 60}))
      .Tensor(OnnxIntegers("begin", {1}, {0}))
      .Tensor(OnnxIntegers("end", {1}, {INT64_MAX}))
      .Tensor(OnnxIntegers("axis", {1}, {1}))
      .Node("ConstantOfShape", {"shape"}, {"none"})
      .Node("Slice", {"none", "begin", "end", "axis"}, {"part"})
      .Node("Add", {"x", "part"}, {"y"})
      .Output("y");
  ExpectRefused(text, "more than 2^22 elements");
}

// A net that adds `count` constants of 2^22 elements to its input, each of them computed, all of
// them before the first is added or one after the other.
OnnxText ManyConstants(size_t count, bool at_once) {
  OnnxText text;
  text.Input("x", {1, 1})
      .Tensor(OnnxIntegers("shape", {1}, {int64_t{1} << 22}))
      .Tensor(OnnxIntegers("none", {1}, {0}))
      .Tensor(OnnxIntegers("one", {1}, {1}));
  std::string before = "x";
  const auto take = [&](size_t i) {
    const std::string part = fmt::format("part{}", i), sum = fmt::format("sum{}", i);
    text.Node("Slice", {fmt::format("c{}", i), "none", "one"}, {part});
    text.Node("Add", {before, part}, {sum});
    before = sum;
  };
  for (size_t i = 0; i < count; ++i) {
    text.Node("ConstantOfShape", {"shape"}, {fmt::format("c{}", i)});
    if (!at_once) take(i);
  }
  for (size_t i = 0; at_once && i < count; ++i) take(i);
  text.Output(before);
  return text;
}

TEST(OnnxLimits, WhatIsComputedAtOnceAndInAllIsBounded) {
  ExpectRefused(ManyConstants(9, true), "at once");
  const Result<ImportedOnnx> one_by_one = Import(ManyConstants(9, false));
  EXPECT_TRUE(one_by_one) << one_by_one.error().message;
  ExpectRefused(ManyConstants(40, false), "more constants than can be needed");
}

TEST(OnnxLimits, ShapesDoNotGrowWithoutEnd) {
  OnnxText text;
  text.Input("x", {1, 4}).Tensor(OnnxIntegers("axes", {8}, {0, 1, 2, 3, 4, 5, 6, 7}));
  text.Node("Unsqueeze", {"x", "axes"}, {"a"})
      .Node("Unsqueeze", {"a", "axes"}, {"b"})
      .Node("Unsqueeze", {"b", "axes"}, {"y"})
      .Output("y");
  ExpectRefused(text, "too many axes");
}

// By trying each number anew, these would be 5 * 10^9 names.
TEST(OnnxLimits, AHundredThousandNodesMayHaveOneName) {
  OnnxText text;
  text.Input("x", {1, 4});
  std::string before = "x";
  constexpr int kNodes = 100'000;
  for (int i = 0; i < kNodes; ++i) {
    const std::string next = fmt::format("{:080}", i);  // a file as large as what is kept of it
    text.Node("Tanh", {before}, {next});
    before = next;
  }
  const Result<ImportedOnnx> net = Import(text.Output(before));
  ASSERT_TRUE(net) << net.error().message;
  EXPECT_EQ(net->graph.layers.back().name, fmt::format("Tanh_node.{}", kNodes));
}

}  // namespace
}  // namespace tinyai
