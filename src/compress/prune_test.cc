#include "compress/prune.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "compress/weight_codec.h"
#include "gtest/gtest.h"
#include "kernel/matmul.h"

namespace tinyai {
namespace {

struct Matrix {
  uint64_t rows, cols;
  std::vector<float> values;
};

Matrix RandomMatrix(uint64_t rows, uint64_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Matrix out{rows, cols, std::vector<float>(rows * cols)};
  for (float& value : out.values) value = normal(random);
  return out;
}

// Whether each weight goes, row by row.
std::vector<bool> Gone(const Matrix& matrix, const Pruning& pruning) {
  PruneChoice choice(pruning, matrix.rows, matrix.cols, [&](uint64_t row, std::span<float> out) {
    std::copy_n(matrix.values.begin() + static_cast<ptrdiff_t>(row * matrix.cols), matrix.cols,
                out.begin());
    return Status();
  });
  EXPECT_TRUE(choice.Choose());
  std::vector<bool> out, row_gone;
  for (uint64_t row = 0; row < matrix.rows; ++row) {
    if (row % choice.block_rows() == 0) row_gone = *choice.NextRowOfBlocks();
    for (uint64_t col = 0; col < matrix.cols; ++col) {
      out.push_back(row_gone[col / choice.block_cols()]);
    }
  }
  return out;
}

// The same from the definition: all blocks sorted.
std::vector<bool> Expected(const Matrix& m, const Pruning& pruning) {
  struct Block {
    double score;
    std::vector<uint64_t> weights;
  };
  const uint64_t height = std::max<uint64_t>(1, pruning.block);
  const uint64_t width = pruning.method == PruneMethod::kStructured ? m.cols : height;
  std::vector<Block> blocks;
  for (uint64_t row = 0; row < m.rows; row += height) {
    for (uint64_t col = 0; col < m.cols; col += width) {
      Block block{0, {}};
      for (uint64_t r = row; r < std::min(row + height, m.rows); ++r) {
        for (uint64_t c = col; c < std::min(col + width, m.cols); ++c) {
          block.weights.push_back(r * m.cols + c);
          block.score += std::pow(static_cast<double>(m.values[r * m.cols + c]), 2);
        }
      }
      block.score = std::sqrt(block.score / static_cast<double>(block.weights.size()));
      blocks.push_back(std::move(block));
    }
  }
  std::ranges::stable_sort(blocks, {}, &Block::score);
  std::vector<bool> out(m.values.size());
  const double target = std::round(pruning.sparsity * static_cast<double>(m.values.size()));
  double gone = 0;
  for (const Block& block : blocks) {
    if (gone >= target) break;
    for (const uint64_t i : block.weights) out[i] = true;
    gone += static_cast<double>(block.weights.size());
  }
  return out;
}

TEST(Prune, TheSmallestBlocksGoWithSmallerOnesAtTheBorders) {
  for (const auto& [rows, cols] : {std::pair{16u, 32u}, std::pair{13u, 27u}, std::pair{1u, 50u}}) {
    const Matrix matrix = RandomMatrix(rows, cols, rows);
    for (const uint64_t block : {0u, 1u, 3u, 4u, 100u}) {
      for (const double sparsity : {0.0, 0.1, 0.5, 0.7, 1.0}) {
        const Pruning pruning{.sparsity = sparsity, .block = block};
        EXPECT_EQ(Gone(matrix, pruning), Expected(matrix, pruning)) << rows << " " << block;
      }
    }
  }
}

TEST(Prune, WholeRowsGoWhereItIsStructured) {
  const Matrix matrix = RandomMatrix(20, 9, 4);
  for (const uint64_t block : {1u, 3u}) {
    const Pruning pruning{.method = PruneMethod::kStructured, .sparsity = 0.4, .block = block};
    EXPECT_EQ(Gone(matrix, pruning), Expected(matrix, pruning));
  }
}

TEST(Prune, OfEqualOnesTheFirstGoOrAll) {
  const Matrix matrix{2, 4, {-1, 1, 3, 1, 1, 0, -1, 1}};
  EXPECT_EQ(Gone(matrix, {.sparsity = 0.5}),
            std::vector<bool>({true, true, false, true, false, true, false, false}));
  EXPECT_EQ(Gone(matrix, {.method = PruneMethod::kThreshold, .sparsity = 0.5}),
            std::vector<bool>({true, true, false, true, true, true, true, true}));
  EXPECT_EQ(Gone(matrix, {.method = PruneMethod::kThreshold, .sparsity = 0}), std::vector<bool>(8));
}

TEST(Prune, ChanceIsEvenAndTheSameForTheSameSeed) {
  const Matrix matrix = RandomMatrix(64, 64, 2);
  Pruning pruning{.method = PruneMethod::kRandom, .sparsity = 0.25, .seed = 7};
  const std::vector<bool> first = Gone(matrix, pruning);
  EXPECT_EQ(std::ranges::count(first, true), 1024);
  const auto upper = std::count(first.begin(), first.begin() + 2048, true);
  EXPECT_NEAR(static_cast<double>(upper), 512, 80);
  EXPECT_EQ(Gone(matrix, pruning), first);
  pruning.seed = 8;
  EXPECT_NE(Gone(matrix, pruning), first);
}

TEST(Prune, WhatIsNoNumberIsNeverSmall) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Matrix matrix{1, 4, {nan, infinity, -2, 1e30f}};
  EXPECT_EQ(Gone(matrix, {.sparsity = 0.5}), std::vector<bool>({false, false, true, true}));
}

TEST(Prune, EveryTypeWithAZeroKeepsTheOtherWeights) {
  std::mt19937 random(3);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0,
                           DType::kQ5_0, DType::kInt2}) {
    ASSERT_TRUE(HasZero(type));
    std::vector<std::byte> row(RowBytes(type, 96));
    for (std::byte& byte : row) byte = static_cast<std::byte>(random() & 0x3F);
    std::vector<float> before(96), after(96);
    DecodeRow(type, row.data(), before);
    std::vector<bool> gone(32);
    for (size_t i = 0; i < gone.size(); ++i) gone[i] = random() % 2 == 0;
    ZeroWeights(type, gone, 3, row);
    DecodeRow(type, row.data(), after);
    for (size_t i = 0; i < 96; ++i) {
      EXPECT_EQ(after[i], gone[i / 3] ? 0 : before[i]) << Name(type) << " " << i;
    }
  }
  EXPECT_FALSE(HasZero(DType::kQ4_1));
  EXPECT_FALSE(HasZero(DType::kQ4_K));
}

}  // namespace
}  // namespace tinyai
