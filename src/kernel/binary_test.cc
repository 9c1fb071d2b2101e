#include "kernel/binary.h"

#include <algorithm>

#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr BinaryOp kOps[] = {BinaryOp::kAdd, BinaryOp::kSub, BinaryOp::kMul,
                             BinaryOp::kDiv, BinaryOp::kMin, BinaryOp::kMax};

float Exact(BinaryOp op, float x, float y) {
  switch (op) {
    case BinaryOp::kAdd:
      return x + y;
    case BinaryOp::kSub:
      return x - y;
    case BinaryOp::kMul:
      return x * y;
    case BinaryOp::kDiv:
      return x / y;
    case BinaryOp::kMin:
      return std::min(x, y);
    case BinaryOp::kMax:
      return std::max(x, y);
  }
  return 0;
}

TEST(Binary, ComputesEveryElement) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 2, 3, 7, 8, 15, 16, 17, 33, 100}) {
      const std::vector<float> x = RandomFloats(size, 1), y = RandomFloats(size, 2);
      for (const BinaryOp op : kOps) {
        std::vector<float> out(size), in_place = x;
        Binary(op, x, y, out);
        for (size_t i = 0; i < size; ++i) EXPECT_EQ(out[i], Exact(op, x[i], y[i]));
        Binary(op, in_place, y, in_place);
        EXPECT_EQ(in_place, out);
        in_place = y;
        Binary(op, x, in_place, in_place);
        EXPECT_EQ(in_place, out);
      }
    }
  });
}

TEST(Binary, OneElementStandsForAll) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 3, 16, 37}) {
      const std::vector<float> x = RandomFloats(size, 1), one = {0.7f};
      for (const BinaryOp op : kOps) {
        std::vector<float> out(size);
        Binary(op, x, one, out);
        for (size_t i = 0; i < size; ++i) EXPECT_EQ(out[i], Exact(op, x[i], one[0]));
        Binary(op, one, x, out);
        for (size_t i = 0; i < size; ++i) EXPECT_EQ(out[i], Exact(op, one[0], x[i]));
      }
    }
  });
}

TEST(Binary, KeepsNaNs) {
  ForEachInstructionSet([] {
    const std::vector<float> nans(20, std::nanf("")), numbers(20, 1.0f);
    for (const BinaryOp op : kOps) {
      std::vector<float> out(20);
      Binary(op, nans, numbers, out);
      for (const float v : out) EXPECT_TRUE(std::isnan(v));
      Binary(op, numbers, nans, out);
      for (const float v : out) EXPECT_TRUE(std::isnan(v));
    }
  });
}

}  // namespace
}  // namespace tinyai
