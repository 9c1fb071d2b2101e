#include "kernel/quantized_rows.h"

#include <limits>

#include "kernel/quantized_layout.h"
#include "kernel/testing.h"

namespace tinyai {
namespace {

struct Row {
  explicit Row(std::span<const float> x)
      : layout(x.size()), bytes(QuantizedRowBytes(x.size()), std::byte{0xAA}) {
    QuantizeRow(x, bytes.data());
  }
  int Code(size_t i) const { return static_cast<int8_t>(bytes[i]); }
  template <class T>
  T Get(uint64_t offset, size_t index) const {
    T value;
    std::memcpy(&value, bytes.data() + offset + index * sizeof(T), sizeof(T));
    return value;
  }
  float Scale(size_t b) const { return Get<float>(layout.scale, b); }

  QuantizedLayout layout;
  std::vector<std::byte> bytes;
};

TEST(QuantizeRow, RoundsToTheNearestCodeOfTheBlocksScale) {
  ForEachInstructionSet([] {
    for (const size_t cols : {32, 64, 96, 352, 4096}) {
      const std::vector<float> x = RandomFloats(cols, 1, 3.0f);
      const Row row(x);
      for (size_t b = 0; b < cols / 32; ++b) {
        double largest = 0;
        for (size_t i = 0; i < 32; ++i)
          largest = std::max<double>(largest, std::fabs(x[32 * b + i]));
        EXPECT_FLOAT_EQ(row.Scale(b), static_cast<float>(largest / 127));
        for (size_t i = 32 * b; i < 32 * b + 32; ++i) {
          // Half a step, and a little where two float roundings decide between neighbours.
          EXPECT_NEAR(row.Code(i), x[i] * 127 / largest, 0.5 + 127 * 0x1p-22) << i;
        }
      }
    }
  });
}

TEST(QuantizeRow, KeepsTheSumsOfItsCodes) {
  ForEachInstructionSet([] {
    const std::vector<float> x = RandomFloats(320, 2);
    const Row row(x);
    for (size_t b = 0; b < 10; ++b) {
      int halves[2] = {0, 0};
      for (size_t i = 0; i < 32; ++i) halves[i / 16] += row.Code(32 * b + i);
      const int sum = halves[0] + halves[1];
      EXPECT_EQ(row.Get<int32_t>(row.layout.sum, b), -8 * sum);
      EXPECT_EQ(row.Get<int32_t>(row.layout.half_sum, 2 * b), -8 * halves[0]);
      EXPECT_EQ(row.Get<int32_t>(row.layout.half_sum, 2 * b + 1), -8 * halves[1]);
      EXPECT_EQ(row.Get<float>(row.layout.scaled_sum, b), row.Scale(b) * static_cast<float>(sum));
    }
  });
}

TEST(QuantizeRow, GivesEveryInstructionSetTheSameRow) {
  const std::vector<float> x = RandomFloats(1024, 3);
  const Row expected(x);
  ForEachInstructionSet([&] {
    const Row row(x);
    EXPECT_EQ(std::memcmp(row.bytes.data(), expected.bytes.data(), expected.layout.half_sum + 256),
              0);
  });
}

TEST(QuantizeRow, MakesZerosOfAZeroOrVanishingBlock) {
  ForEachInstructionSet([] {
    for (const float value : {0.0f, -0.0f, 1e-45f, -1e-35f}) {
      const Row row(std::vector<float>(32, value));
      EXPECT_EQ(row.Scale(0), 0.0f);
      for (size_t i = 0; i < 32; ++i) EXPECT_EQ(row.Code(i), 0);
    }
  });
}

TEST(QuantizeRow, KeepsTheLargestFloats) {
  ForEachInstructionSet([] {
    const float largest = std::numeric_limits<float>::max();
    const Row row(std::vector<float>(32, -largest));
    for (size_t i = 0; i < 32; ++i) EXPECT_EQ(row.Code(i), -127);
    EXPECT_TRUE(std::isfinite(row.Scale(0)));
  });
}

TEST(QuantizeRow, MarksABlockWithNaNOrInfinityByItsScale) {
  ForEachInstructionSet([] {
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
          std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      for (size_t place = 0; place < 32; ++place) {
        std::vector<float> x = RandomFloats(64, 4);
        x[place] = bad;
        const Row row(x);
        EXPECT_FALSE(std::isfinite(row.Scale(0)));
        EXPECT_TRUE(std::isfinite(row.Scale(1)));
        for (size_t i = 0; i < 32; ++i) EXPECT_GE(row.Code(i), -127);
      }
    }
  });
}

TEST(QuantizedRowBytes, IsAMultipleOf64WithRoomForAllParts) {
  for (uint64_t cols = 32; cols < 5000; cols += 32) {
    EXPECT_EQ(QuantizedRowBytes(cols) % 64, 0u);
    EXPECT_GE(QuantizedRowBytes(cols), cols + cols / 32 * 20);
    EXPECT_LT(QuantizedRowBytes(cols), cols + cols / 32 * 20 + 64);
  }
}

}  // namespace
}  // namespace tinyai
