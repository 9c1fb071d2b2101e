#include "kernel/sparse_rows.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "base/float16.h"
#include "gtest/gtest.h"
#include "kernel/matmul.h"
#include "kernel/quantized_rows.h"
#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16,
                            DType::kQ8_0, DType::kQ4_0, DType::kInt2};
constexpr uint64_t kCols[] = {32, 256, 320, 800};

// Rows of finite numbers, most of them zero.
std::vector<std::byte> MakeRows(DType type, uint64_t cols, uint64_t rows, uint32_t seed) {
  std::mt19937 random(seed);
  const DTypeInfo& info = Info(type);
  const bool groups = info.block_elements > 1;
  const std::byte none = type == DType::kQ4_0   ? std::byte(0x88)
                         : type == DType::kInt2 ? std::byte(0xAA)
                                                : std::byte(0);
  std::vector<std::byte> out;
  for (uint64_t i = 0; i < rows * cols / info.block_elements; ++i) {
    std::vector<std::byte> block(info.block_bytes);
    const uint16_t scale = FloatToF16(0.25f);
    for (uint32_t b = 0; b < info.block_bytes; ++b) {
      const bool zero = groups ? random() % 6 != 0 : i % 3 != 0;
      const std::byte code = std::byte(random() & 0x3F);
      block[b] = zero ? none : code;
    }
    if (groups) std::memcpy(block.data(), &scale, sizeof(scale));
    out.insert(out.end(), block.begin(), block.end());
  }
  return out;
}

struct Sparse {
  std::vector<std::byte> bytes;
  uint64_t row_bytes = 0;
};

Sparse Pack(DType type, uint64_t cols, uint64_t rows, const std::vector<std::byte>& dense) {
  std::vector<std::vector<std::byte>> packed;
  Sparse out;
  for (uint64_t r = 0; r < rows; ++r) {
    packed.emplace_back(MostSparseRowBytes(type, cols));
    out.row_bytes = std::max(
        out.row_bytes,
        PackSparseRow(type, cols, dense.data() + r * RowBytes(type, cols), packed.back().data()));
  }
  for (auto& row : packed) {
    EXPECT_LE(out.row_bytes, row.size());
    out.bytes.insert(out.bytes.end(), row.begin(),
                     row.begin() + static_cast<ptrdiff_t>(out.row_bytes));
  }
  return out;
}

TEST(SparseRows, UnpackToTheBytesThatTheyWerePackedFrom) {
  for (const DType type : kTypes) {
    for (const uint64_t cols : kCols) {
      const std::vector<std::byte> dense = MakeRows(type, cols, 1, 5);
      const Sparse sparse = Pack(type, cols, 1, dense);
      if (cols >= kSparseRun) {
        EXPECT_LT(sparse.row_bytes, dense.size()) << Name(type);
      }
      std::vector<std::byte> back(dense.size());
      for (uint64_t col = 0; col < cols; col += kSparseRun) {
        UnpackSparseRun(type, cols, sparse.bytes, col, back.data() + RowBytes(type, col));
      }
      EXPECT_EQ(back, dense) << Name(type) << " " << cols;
    }
  }
  EXPECT_FALSE(HasSparseRows(DType::kQ4_K));
}

// Rows come from files that nobody has looked through. Under the sanitizers this finds a byte that
// is read or written beside them; the guards find it everywhere.
TEST(SparseRows, OfAnyBytesStayWithinTheirRowAndColumns) {
  std::mt19937 random(11);
  for (const DType type : kTypes) {
    for (const uint64_t cols : {uint64_t{32}, uint64_t{320}, uint64_t{37}}) {
      if (cols % Info(type).block_elements != 0) continue;
      for (int round = 0; round < 200; ++round) {
        std::vector<std::byte> row(random() % 400);
        for (std::byte& byte : row) byte = std::byte(random());
        // Often a place within the row, or its end.
        if (round % 2 == 0 && row.size() >= 4) row[1] = row[2] = row[3] = std::byte(0);
        const uint64_t size = RowBytes(type, cols);
        std::vector<std::byte> out(size + 64, std::byte(0xA5));
        for (uint64_t col = 0; col < cols; col += kSparseRun) {
          UnpackSparseRun(type, cols, row, col, out.data() + RowBytes(type, col));
        }
        for (uint64_t i = size; i < out.size(); ++i) ASSERT_EQ(out[i], std::byte(0xA5));
      }
    }
  }
}

// The same of products: they give numbers, whatever the rows are, and no byte behind is read.
TEST(SparseRows, OfAnyBytesAreMultipliedWithinTheirRow) {
  std::mt19937 random(12);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (int round = 0; round < 60; ++round) {
      const uint64_t cols = 320, row_bytes = 1 + random() % 300;
      std::vector<std::byte> rows(3 * row_bytes);
      for (std::byte& byte : rows) byte = std::byte(random());
      // The last row by itself, with nothing behind it, is the same row.
      std::vector<std::byte> last(rows.end() - static_cast<ptrdiff_t>(row_bytes), rows.end());
      for (const uint64_t tokens : {1u, 3u}) {
        const std::vector<float> x(cols * tokens, 1);
        std::vector<float> out(3 * tokens), alone(tokens);
        MatMulF32({type, rows.data(), cols, 3, row_bytes}, x.data(), cols, tokens, out.data(), 3);
        MatMulF32({type, last.data(), cols, 1, row_bytes}, x.data(), cols, tokens, alone.data(), 1);
        for (uint64_t t = 0; t < tokens; ++t) EXPECT_TRUE(SameBits(alone[t], out[3 * t + 2]));
      }
    }
  }
}

TEST(SparseRows, ColumnsDecodeAsThoseOfAllWeights) {
  for (const DType type : kTypes) {
    const uint64_t cols = 800, rows = 3;
    const std::vector<std::byte> dense = MakeRows(type, cols, rows, 8);
    const Sparse sparse = Pack(type, cols, rows, dense);
    const WeightRows all{type, dense.data(), cols, rows};
    const WeightRows some{type, sparse.bytes.data(), cols, rows, sparse.row_bytes};
    for (uint64_t begin = 0; begin < cols; begin += kSparseRun) {
      const uint64_t count = std::min(kSparseRun, cols - begin);
      std::vector<float> a(count), b(count);
      DecodeColumns(all, 2, begin, a);
      DecodeColumns(some, 2, begin, b);
      EXPECT_EQ(a, b) << Name(type) << " " << begin;
    }
  }
}

TEST(SparseRows, ARowOfFloatsMayEndWithinAGroup) {
  const std::vector<std::byte> dense = MakeRows(DType::kF32, 37, 1, 5);
  const Sparse sparse = Pack(DType::kF32, 37, 1, dense);
  std::vector<std::byte> back(dense.size());
  UnpackSparseRun(DType::kF32, 37, sparse.bytes, 0, back.data());
  EXPECT_EQ(back, dense);
}

TEST(SparseRows, ProductsHaveTheBitsOfThoseOfAllWeights) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal(0, 1);
  for (const DType type : kTypes) {
    for (const uint64_t cols : kCols) {
      for (const uint64_t rows : {1u, 37u, 64u}) {
        const std::vector<std::byte> dense = MakeRows(type, cols, rows, 3);
        const Sparse sparse = Pack(type, cols, rows, dense);
        const WeightRows all{type, dense.data(), cols, rows};
        const WeightRows some{type, sparse.bytes.data(), cols, rows, sparse.row_bytes};
        for (const uint64_t tokens : {1u, 2u, 70u}) {
          std::vector<float> x(tokens * cols), y(tokens * rows), z(tokens * rows);
          for (float& value : x) value = normal(random);
          MatMulF32(all, x.data(), cols, tokens, y.data(), rows);
          MatMulF32(some, x.data(), cols, tokens, z.data(), rows);
          EXPECT_EQ(y, z) << Name(type) << " " << cols << " " << rows << " " << tokens;
          if (Info(type).block_elements == 1) continue;
          const uint64_t row_bytes = QuantizedRowBytes(cols);
          std::vector<std::byte> quantized(tokens * row_bytes);
          for (uint64_t t = 0; t < tokens; ++t) {
            QuantizeRow({x.data() + t * cols, cols}, quantized.data() + t * row_bytes);
          }
          MatMulQ8(all, quantized.data(), row_bytes, tokens, y.data(), rows);
          MatMulQ8(some, quantized.data(), row_bytes, tokens, z.data(), rows);
          EXPECT_EQ(y, z) << Name(type) << " " << cols << " " << rows << " " << tokens;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
