// What reading an ONNX file takes of memory. This program counts every allocation.

#include "format/allocation_meter.h"
#include "format/onnx_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

size_t CostOf(const std::string& bytes, bool accepted) {
  const size_t before = StartMeter();
  {
    const OpenOnnx read = ReadOnnxBytes(bytes);
    EXPECT_EQ(read.model.has_value(), accepted);
  }
  return PeakBytes() - before;
}

TEST(OnnxCost, WeightsAreNotRead) {
  for (const uint64_t count : {uint64_t{1} << 10, uint64_t{1} << 24}) {
    const std::string bytes =
        OnnxText().Tensor(OnnxFloats("w", {count}, std::vector<float>(count))).Output("w").Bytes();
    EXPECT_LE(CostOf(bytes, true), size_t{1} << 18) << count;
  }
}

TEST(OnnxCost, WhatIsHeldIsInProportionToTheFile) {
  constexpr size_t kAnyway = size_t{8} << 20;
  std::string nodes, names, tensors;
  for (int i = 0; i < 400'000; ++i) nodes += ProtoBytes(1, ProtoBytes(4, "x"));
  for (int i = 0; i < 2'000'000; ++i) names += ProtoBytes(1, "");
  for (int i = 0; i < 400'000; ++i) tensors += ProtoBytes(5, ProtoNumber(2, 1));
  for (const std::string& bytes :
       {ProtoBytes(7, nodes), ProtoBytes(7, ProtoBytes(1, names + ProtoBytes(4, "x"))),
        ProtoBytes(7, tensors)}) {
    EXPECT_LE(CostOf(bytes, false), kAnyway + 4 * bytes.size());
  }
}

}  // namespace
}  // namespace tinyai
