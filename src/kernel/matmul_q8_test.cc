#include <algorithm>
#include <limits>

#include "kernel/quantized_layout.h"
#include "kernel/quantized_rows.h"
#include "kernel/testing.h"

namespace tinyai {
namespace {

// Activation rows as MatMulQ8 takes them, and what they stand for.
struct Activations {
  Activations(size_t cols, size_t tokens, uint32_t seed)
      : stride(QuantizedRowBytes(cols)), storage(stride * tokens + 64), floats(cols * tokens) {
    const std::vector<float> x = RandomFloats(cols * tokens, seed);
    for (size_t t = 0; t < tokens; ++t) {
      QuantizeRow(std::span(x).subspan(t * cols, cols), Row(t));
      const QuantizedLayout layout(cols);
      for (size_t c = 0; c < cols; ++c) {
        float scale;
        std::memcpy(&scale, Row(t) + layout.scale + c / 32 * 4, sizeof(scale));
        floats[t * cols + c] = static_cast<double>(scale) * static_cast<int8_t>(Row(t)[c]);
      }
    }
  }
  std::byte* Row(size_t t) {
    const auto address = reinterpret_cast<uintptr_t>(storage.data());
    return storage.data() + (64 - address % 64) % 64 + t * stride;
  }

  size_t stride;
  std::vector<std::byte> storage;
  std::vector<double> floats;
};

size_t SmallestCols(DType type) { return std::max<size_t>(32, Info(type).block_elements); }

TEST(MatMulQ8, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const DType type : QuantisedTypes()) {
      for (const size_t blocks : {1, 2, 3, 9}) {
        const size_t cols = SmallestCols(type) * blocks;
        constexpr size_t kRows = 37, kTokens = 7;
        const std::vector<std::byte> data = RandomRows(type, cols, kRows, 1);
        Activations x(cols, kTokens, 2);
        std::vector<float> out(kRows * kTokens);
        MatMulQ8({type, data.data(), cols, kRows}, x.Row(0), x.stride, kTokens, out.data(), kRows);
        std::vector<float> row(cols);
        for (size_t r = 0; r < kRows; ++r) {
          DecodeRow(type, data.data() + r * RowBytes(type, cols), row);
          float largest = 0;
          for (const float w : row) largest = std::max(largest, std::fabs(w));
          for (size_t t = 0; t < kTokens; ++t) {
            double sum = 0, magnitude = 0;
            for (size_t c = 0; c < cols; ++c) {
              sum += row[c] * x.floats[t * cols + c];
              magnitude += std::fabs(x.floats[t * cols + c]);
            }
            // A block's term is scale part + low part, together below 3 x the largest weight; each
            // goes through three roundings, then through one for every term after it.
            const double roundings = 3.0 + 2.0 * static_cast<double>(cols) / 16;
            const double tolerance = roundings * 0x1p-24 * 3 * largest * magnitude;
            ASSERT_NEAR(out[t * kRows + r], sum, tolerance)
                << Name(type) << " cols " << cols << " row " << r << " token " << t;
          }
        }
      }
    }
  });
}

// All results one by one must have the bits of the whole.
TEST(MatMulQ8, GivesTheSameBitsHoweverRowsAndTokensAreGrouped) {
  ForEachInstructionSet([] {
    for (const DType type : QuantisedTypes()) {
      const size_t cols =
          SmallestCols(type) * (type >= DType::kQ4_K && type <= DType::kQ6_K ? 3 : 11);
      constexpr size_t kRows = 75, kTokens = 70;
      const size_t row_bytes = RowBytes(type, cols);
      const std::vector<std::byte> data = RandomRows(type, cols, kRows, 3);
      Activations x(cols, kTokens, 4);
      std::vector<float> whole(kRows * kTokens);
      MatMulQ8({type, data.data(), cols, kRows}, x.Row(0), x.stride, kTokens, whole.data(), kRows);
      for (const Tiling& tiling : kTilings) {
        std::vector<float> tiled(whole.size());
        MatMulQ8({type, data.data(), cols, kRows}, x.Row(0), x.stride, kTokens, tiled.data(), kRows,
                 tiling);
        ASSERT_EQ(tiled, whole) << Name(type) << " in blocks of " << tiling.block;
      }
      std::mt19937 random(5);
      for (int round = 0; round < 20; ++round) {
        const size_t row = random() % kRows, rows = 1 + random() % (kRows - row);
        const size_t token = random() % kTokens;
        const size_t tokens = 1 + random() % std::min<size_t>(kTokens - token, 12);
        const size_t shift = random() % 64;  // weights lie at any address
        std::vector<std::byte> moved(shift + rows * row_bytes);
        std::copy_n(data.data() + row * row_bytes, rows * row_bytes, moved.data() + shift);
        const size_t stride = rows + random() % 3;
        std::vector<float> part(stride * tokens, -1.0f);
        MatMulQ8({type, moved.data() + shift, cols, rows}, x.Row(token), x.stride, tokens,
                 part.data(), stride);
        for (size_t t = 0; t < tokens; ++t) {
          for (size_t r = 0; r < rows; ++r) {
            ASSERT_TRUE(SameBits(part[t * stride + r], whole[(token + t) * kRows + row + r]))
                << Name(type) << " row " << row + r << " token " << token + t << " of " << rows
                << " rows, " << tokens << " tokens";
          }
          for (size_t r = rows; r < stride && t + 1 < tokens; ++r) {
            ASSERT_EQ(part[t * stride + r], -1.0f) << "wrote beside its rows";
          }
        }
      }
    }
  });
}

// The largest codes there are, all of one sign: where 16-bit sums would overflow, they do here.
TEST(MatMulQ8, IsExactForTheLargestCodes) {
  ForEachInstructionSet([] {
    for (const DType type : QuantisedTypes()) {
      for (const int fill : {0xFF, 0x00, 0x80, 0x7F}) {
        for (const float sign : {1.0f, -1.0f}) {
          const size_t cols = SmallestCols(type);
          std::vector<std::byte> data = RandomRows(type, cols, 1, 1);
          const std::vector<std::byte> scales = data;
          std::fill(data.begin(), data.end(), static_cast<std::byte>(fill));
          for (size_t at = 0; at < data.size(); at += Info(type).block_bytes) {
            const ScalePlaces places = ScalesOf(type);
            std::copy_n(&scales[at + places.first], 2, &data[at + places.first]);
            if (places.second >= 0)
              std::copy_n(&scales[at + places.second], 2, &data[at + places.second]);
          }
          const std::vector<float> x(cols, sign * 127.0f);  // scale 1, codes +-127
          Activations quantised(cols, 1, 1);
          QuantizeRow(x, quantised.Row(0));
          float out = 0;
          MatMulQ8({type, data.data(), cols, 1}, quantised.Row(0), quantised.stride, 1, &out, 1);
          std::vector<float> row(cols);
          DecodeRow(type, data.data(), row);
          double sum = 0, magnitude = 0;
          for (size_t c = 0; c < cols; ++c) {
            sum += static_cast<double>(row[c]) * x[c];
            magnitude += std::fabs(row[c] * 127.0);
          }
          // At most 16 blocks and 3 roundings each; the parts of a weight with a low may cancel.
          EXPECT_NEAR(out, sum, 48 * 0x1p-24 * (magnitude + 127.0 * 64 * static_cast<double>(cols)))
              << Name(type) << " bytes " << fill << " sign " << sign;
        }
      }
    }
  });
}

TEST(MatMulQ8, CarriesNaNAndInfinityOfOneRowIntoThatRowOnly) {
  ForEachInstructionSet([] {
    for (const DType type : QuantisedTypes()) {
      for (const uint16_t half : {uint16_t{0x7E00}, uint16_t{0x7C00}, uint16_t{0x0001}}) {
        const size_t cols = SmallestCols(type);
        constexpr size_t kRows = 5;
        std::vector<std::byte> data = RandomRows(type, cols, kRows, 6);
        Activations x(cols, 1, 7);
        std::vector<float> before(kRows), after(kRows);
        MatMulQ8({type, data.data(), cols, kRows}, x.Row(0), x.stride, 1, before.data(), kRows);
        std::memcpy(data.data() + 2 * RowBytes(type, cols) + ScalesOf(type).first, &half, 2);
        MatMulQ8({type, data.data(), cols, kRows}, x.Row(0), x.stride, 1, after.data(), kRows);
        for (size_t r = 0; r < kRows; ++r) {
          if (r == 2) continue;
          EXPECT_TRUE(SameBits(before[r], after[r])) << Name(type) << " row " << r;
        }
        EXPECT_EQ(std::isfinite(after[2]), half == 0x0001) << Name(type);
      }
    }
  });
}

TEST(MatMulQ8, IsNotANumberWhereAnActivationIsNot) {
  ForEachInstructionSet([] {
    for (const DType type : QuantisedTypes()) {
      const size_t cols = SmallestCols(type);
      const std::vector<std::byte> data = RandomRows(type, cols, 3, 8);
      for (const float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        std::vector<float> x = RandomFloats(cols, 9);
        x[5] = bad;
        Activations quantised(cols, 1, 1);
        QuantizeRow(x, quantised.Row(0));
        float out[3];
        MatMulQ8({type, data.data(), cols, 3}, quantised.Row(0), quantised.stride, 1, out, 3);
        for (const float v : out) EXPECT_FALSE(std::isfinite(v)) << Name(type);
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
