#include "kernel/elementwise.h"

#include <limits>

#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const std::vector<size_t>& Sizes() {
  static const std::vector<size_t> sizes = {1,  2,  3,  4,  5,  7,  8,  9,   15,  16,
                                            17, 31, 32, 33, 63, 64, 65, 127, 300, 4096};
  return sizes;
}

TEST(AddInto, AddsEveryElement) {
  ForEachInstructionSet([] {
    for (const size_t size : Sizes()) {
      const std::vector<float> x = RandomFloats(size, 1), before = RandomFloats(size, 2);
      std::vector<float> sum = before;
      AddInto(x, sum);
      for (size_t i = 0; i < size; ++i) EXPECT_EQ(sum[i], before[i] + x[i]);
    }
  });
}

TEST(RmsNorm, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : Sizes()) {
      const std::vector<float> x = RandomFloats(size, 1, 10.0f), weight = RandomFloats(size, 2);
      double squares = 0;
      for (const float v : x) squares += static_cast<double>(v) * v;
      const double factor = 1 / std::sqrt(squares / static_cast<double>(size) + 1e-5);
      std::vector<float> out(size), in_place = x;
      RmsNorm(x, weight, 1e-5f, out);
      RmsNorm(in_place, weight, 1e-5f, in_place);
      EXPECT_EQ(out, in_place);
      for (size_t i = 0; i < size; ++i) {
        // The factor and two products are rounded.
        EXPECT_NEAR(out[i], x[i] * factor * weight[i],
                    3.01 * 0x1p-24 * std::fabs(x[i] * factor * weight[i]));
      }
    }
  });
}

TEST(SiluMul, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : Sizes()) {
      const std::vector<float> before = RandomFloats(size, 1, 8.0f), up = RandomFloats(size, 2);
      std::vector<float> gate = before;
      SiluMul(gate, up);
      for (size_t i = 0; i < size; ++i) {
        const double g = before[i];
        const double expected = g / (1 + std::exp(-g)) * up[i];
        // exp within 2e-7, then a sum, a quotient and a product.
        EXPECT_NEAR(gate[i], expected, (2e-7 + 3.01 * 0x1p-24) * std::fabs(expected)) << g;
      }
    }
  });
}

TEST(SiluMul, GivesAnElementTheSameBitsWhereverItStands) {
  ForEachInstructionSet([] {
    const std::vector<float> x = RandomFloats(100, 3), up = RandomFloats(100, 4);
    std::vector<float> whole = x;
    SiluMul(whole, up);
    for (size_t first = 0; first < 100; first += 7) {
      for (size_t size = 1; first + size <= 100; size += 5) {
        std::vector<float> part(x.begin() + first, x.begin() + first + size);
        SiluMul(part, std::span(up).subspan(first, size));
        for (size_t i = 0; i < size; ++i) EXPECT_TRUE(SameBits(part[i], whole[first + i]));
      }
    }
  });
}

TEST(SiluMul, TakesExtremeValues) {
  ForEachInstructionSet([] {
    std::vector<float> gate = {1e30f, -1e30f, 88.0f, -88.0f, 0.0f, kInfinity, kNaN, -100.0f};
    SiluMul(gate, std::vector<float>(gate.size(), 1.0f));
    EXPECT_EQ(gate[0], 1e30f);
    EXPECT_EQ(gate[1], 0.0f);
    EXPECT_EQ(gate[2], 88.0f);
    EXPECT_NEAR(gate[3], 0.0f, 1e-36f);
    EXPECT_EQ(gate[4], 0.0f);
    EXPECT_EQ(gate[5], kInfinity);
    EXPECT_TRUE(std::isnan(gate[6]));
    EXPECT_NEAR(gate[7], 0.0f, 1e-36f);
  });
}

TEST(Rope, TurnsEachPairAndLeavesTheRest) {
  ForEachInstructionSet([] {
    for (const bool adjacent : {true, false}) {
      for (const size_t pairs : {1, 2, 3, 8, 17, 32, 64}) {
        const size_t size = 2 * pairs + 3;
        const std::vector<float> before = RandomFloats(size, 1);
        std::vector<float> cos_sin, head = before;
        for (size_t i = 0; i < pairs; ++i) {
          cos_sin.push_back(std::cos(static_cast<float>(i)));
          cos_sin.push_back(std::sin(static_cast<float>(i)));
        }
        Rope(head, cos_sin, adjacent);
        for (size_t i = 0; i < pairs; ++i) {
          const size_t a = adjacent ? 2 * i : i, b = adjacent ? 2 * i + 1 : i + pairs;
          const double c = cos_sin[2 * i], s = cos_sin[2 * i + 1];
          // Two products and their sum: three roundings of values below |a| + |b|.
          const double tolerance = 3 * 0x1p-24 * (std::fabs(before[a]) + std::fabs(before[b]));
          EXPECT_NEAR(head[a], before[a] * c - before[b] * s, tolerance);
          EXPECT_NEAR(head[b], before[a] * s + before[b] * c, tolerance);
        }
        for (size_t i = 2 * pairs; i < size; ++i) EXPECT_EQ(head[i], before[i]);
      }
    }
  });
}

TEST(ArgMax, FindsTheLargestAtEveryPlace) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 2, 15, 16, 17, 40, 100}) {
      for (size_t place = 0; place < size; ++place) {
        std::vector<float> x = RandomFloats(size, 1);
        x[place] = 100.0f;
        EXPECT_EQ(ArgMax(x), place);
      }
    }
  });
}

TEST(ArgMax, TakesTheLowestOfEqualsAndNeverNaNOverANumber) {
  ForEachInstructionSet([] {
    EXPECT_EQ(ArgMax(std::vector<float>(50, 1.0f)), 0u);
    std::vector<float> x(50, -kInfinity);
    x[0] = kNaN;
    EXPECT_EQ(ArgMax(x), 1u);
    x[33] = -5.0f, x[40] = -5.0f, x[41] = kNaN;
    EXPECT_EQ(ArgMax(x), 33u);
    x[49] = kInfinity;
    EXPECT_EQ(ArgMax(x), 49u);
    EXPECT_EQ(ArgMax(std::vector<float>(50, kNaN)), 0u);
  });
}

TEST(AllFinite, SeesOneBadValueAtEveryPlace) {
  ForEachInstructionSet([] {
    for (const float bad : {kNaN, -kNaN, kInfinity, -kInfinity}) {
      for (size_t place = 0; place < 70; ++place) {
        std::vector<float> x(70, std::numeric_limits<float>::max());
        EXPECT_TRUE(AllFinite(x));
        x[place] = bad;
        EXPECT_FALSE(AllFinite(x));
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
