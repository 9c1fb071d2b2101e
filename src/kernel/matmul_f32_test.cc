#include <algorithm>

#include "base/checked.h"
#include "kernel/testing.h"

namespace tinyai {
namespace {

std::vector<size_t> ColsOf(DType type) {
  const size_t block = Info(type).block_elements;
  if (block == 1) return {1, 2, 3, 5, 8, 31, 33, 64, 100, 256, 259, 1000};
  return {block, 2 * block, 3 * block, 9 * block};
}

// How often a product is rounded on its way into the result: by each multiply-add of its chain,
// which has one column of a chunk of 256 for every vector, then by the sum over a chunk's lanes and
// over the chunks.
double Roundings(size_t cols) {
  const VectorForm vectors = ActiveVectors();
  const size_t chain = CeilDiv(std::min<size_t>(cols, 256), vectors.lanes);
  const size_t sums = CeilDiv(cols, 256) * vectors.lanes;
  return static_cast<double>(vectors.roundings * chain + sums);
}

TEST(MatMulF32, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const DType type : AllTypes()) {
      for (const size_t cols : ColsOf(type)) {
        constexpr size_t kRows = 37, kTokens = 6;
        const std::vector<std::byte> data = RandomRows(type, cols, kRows, 1);
        const std::vector<float> x = RandomFloats(cols * kTokens, 2);
        std::vector<float> out(kRows * kTokens), row(cols);
        MatMulF32({type, data.data(), cols, kRows}, x.data(), cols, kTokens, out.data(), kRows);
        for (size_t r = 0; r < kRows; ++r) {
          DecodeRow(type, data.data() + r * RowBytes(type, cols), row);
          for (size_t t = 0; t < kTokens; ++t) {
            double sum = 0, magnitude = 0;
            for (size_t c = 0; c < cols; ++c) {
              const double product = static_cast<double>(row[c]) * x[t * cols + c];
              sum += product;
              magnitude += std::fabs(product);
            }
            ASSERT_NEAR(out[t * kRows + r], sum, Roundings(cols) * 0x1p-24 * magnitude)
                << Name(type) << " cols " << cols << " row " << r << " token " << t;
          }
        }
      }
    }
  });
}

TEST(MatMulF32, GivesTheSameBitsHoweverRowsAndTokensAreGrouped) {
  ForEachInstructionSet([] {
    for (const DType type : AllTypes()) {
      const size_t cols = ColsOf(type)[2] * 3 + (Info(type).block_elements == 1 ? 300 : 0);
      constexpr size_t kRows = 41, kTokens = 67;
      const size_t row_bytes = RowBytes(type, cols);
      const std::vector<std::byte> data = RandomRows(type, cols, kRows, 3);
      const std::vector<float> x = RandomFloats(cols * kTokens, 4);
      std::vector<float> whole(kRows * kTokens);
      MatMulF32({type, data.data(), cols, kRows}, x.data(), cols, kTokens, whole.data(), kRows);
      for (const Tiling& tiling : kTilings) {
        std::vector<float> tiled(whole.size());
        MatMulF32({type, data.data(), cols, kRows}, x.data(), cols, kTokens, tiled.data(), kRows,
                  tiling);
        ASSERT_EQ(tiled, whole) << Name(type) << " in blocks of " << tiling.block;
      }
      std::mt19937 random(5);
      for (int round = 0; round < 12; ++round) {
        const size_t row = random() % kRows, rows = 1 + random() % (kRows - row);
        const size_t token = random() % kTokens;
        const size_t tokens = 1 + random() % std::min<size_t>(kTokens - token, 9);
        const size_t shift = random() % 64;
        std::vector<std::byte> moved(shift + rows * row_bytes);
        std::copy_n(data.data() + row * row_bytes, rows * row_bytes, moved.data() + shift);
        std::vector<float> part(rows * tokens);
        MatMulF32({type, moved.data() + shift, cols, rows}, x.data() + token * cols, cols, tokens,
                  part.data(), rows);
        for (size_t t = 0; t < tokens; ++t) {
          for (size_t r = 0; r < rows; ++r) {
            ASSERT_TRUE(SameBits(part[t * rows + r], whole[(token + t) * kRows + row + r]))
                << Name(type) << " row " << row + r << " token " << token + t;
          }
        }
      }
    }
  });
}

TEST(MatMulF32, GivesOneTokenTheSameBitsAsMany) {
  ForEachInstructionSet([] {
    for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0}) {
      for (const size_t cols : {1u, 7u, 128u, 256u, 300u, 1024u}) {
        if (cols % Info(type).block_elements != 0) continue;
        constexpr size_t kRows = 75, kTokens = 27;
        const std::vector<std::byte> data = RandomRows(type, cols, kRows, 3);
        const std::vector<float> x = RandomFloats(cols * kTokens, 4);
        std::vector<float> many(kRows * kTokens), one(kRows);
        const WeightRows weights = {type, data.data(), cols, kRows};
        MatMulF32(weights, x.data(), cols, kTokens, many.data(), kRows);
        for (size_t t = 0; t < kTokens; ++t) {
          MatMulF32(weights, x.data() + t * cols, cols, 1, one.data(), kRows);
          for (size_t r = 0; r < kRows; ++r) ASSERT_TRUE(SameBits(one[r], many[t * kRows + r]));
        }
      }
    }
  });
}

TEST(MatMulF32, ReadsEveryHalfFloatExactly) {
  ForEachInstructionSet([] {
    constexpr size_t kRows = 1 << 16;  // one column: every binary16 there is
    std::vector<uint16_t> halves(kRows);
    for (size_t i = 0; i < kRows; ++i) halves[i] = static_cast<uint16_t>(i);
    const float one = 1.0f;
    std::vector<float> out(kRows);
    MatMulF32({DType::kF16, reinterpret_cast<const std::byte*>(halves.data()), 1, kRows}, &one, 1,
              1, out.data(), kRows);
    for (size_t i = 0; i < kRows; ++i) {
      const float expected = F16ToFloat(halves[i]);
      ASSERT_TRUE(out[i] == expected || (std::isnan(out[i]) && std::isnan(expected))) << i;
    }
  });
}

}  // namespace
}  // namespace tinyai
