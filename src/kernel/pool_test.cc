#include "kernel/pool.h"

#include <algorithm>
#include <limits>

#include "kernel/map_testing.h"

namespace tinyai {
namespace {

struct Case {
  WindowAxis rows, cols;
};

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {{8, 4, 2, 2, 1, 0}, {40, 20, 2, 2, 1, 0}}, {{9, 5, 3, 2, 1, 1}, {37, 19, 3, 2, 1, 1}},
      {{7, 7, 3, 1, 1, 1}, {35, 35, 3, 1, 1, 1}}, {{7, 1, 7, 1, 1, 0}, {7, 1, 7, 1, 1, 0}},
      {{1, 1, 1, 1, 1, 0}, {50, 17, 3, 3, 1, 1}}, {{12, 4, 3, 2, 2, 0}, {21, 9, 3, 2, 2, 1}},
      {{5, 3, 2, 2, 1, 0}, {5, 4, 3, 2, 1, 2}},  // the last windows reach beyond the padding
  };
  return cases;
}

MapOp Bind(PoolKind kind, const Case& c) {
  return {c.rows.out, c.cols.out, [c](IndexRange rows) { return RowsRead(c.rows, rows); },
          [kind, c](const InputMap& x, const MapPart& part, const OutputMap& out) {
            Pool(kind, c.rows, c.cols, x, part, out);
          }};
}

double Expected(PoolKind kind, const Case& c, const TestMap& x, uint64_t channel, uint64_t row,
                uint64_t col) {
  double sum = 0, largest = -std::numeric_limits<double>::infinity();
  int count = 0;
  for (uint64_t ky = 0; ky < c.rows.size; ++ky) {
    for (uint64_t kx = 0; kx < c.cols.size; ++kx) {
      const uint64_t y = row * c.rows.stride + ky * c.rows.dilation;
      const uint64_t w = col * c.cols.stride + kx * c.cols.dilation;
      if (y < c.rows.pad || y - c.rows.pad >= x.rows) continue;
      if (w < c.cols.pad || w - c.cols.pad >= x.cols) continue;
      const double v = x.At(channel, y - c.rows.pad, w - c.cols.pad);
      sum += v;
      largest = std::max(largest, v);
      ++count;
    }
  }
  if (count == 0) return 0;
  if (kind == PoolKind::kMax) return largest;
  return sum /
         (kind == PoolKind::kAverage ? count : static_cast<double>(c.rows.size * c.cols.size));
}

constexpr PoolKind kKinds[] = {PoolKind::kMax, PoolKind::kAverage, PoolKind::kAveragePadded};

TEST(Pool, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const Case& c : Cases()) {
      for (const PoolKind kind : kKinds) {
        const TestMap x(3, c.rows.in, c.cols.in);
        const std::vector<float> out = Bind(kind, c).RunWhole(x);
        size_t at = 0;
        for (uint64_t channel = 0; channel < x.channels; ++channel) {
          for (uint64_t row = 0; row < c.rows.out; ++row) {
            for (uint64_t col = 0; col < c.cols.out; ++col, ++at) {
              // A window of at most 49 values below 5: their sums' roundings and the quotient's.
              ASSERT_NEAR(out[at], Expected(kind, c, x, channel, row, col), 50 * 5 * 0x1p-24)
                  << "kind " << static_cast<int>(kind) << " row " << row << " col " << col;
            }
          }
        }
      }
    }
  });
}

TEST(Pool, GivesTheSameBitsHoweverTheMapIsDivided) {
  ForEachInstructionSet([] {
    for (const Case& c : Cases()) {
      for (const PoolKind kind : kKinds) {
        ExpectSameBitsInParts(Bind(kind, c), TestMap(5, c.rows.in, c.cols.in), 3);
      }
    }
  });
}

TEST(Pool, TheMaximumOfAWindowWithANaNIsOne) {
  ForEachInstructionSet([] {
    const Case c = {{4, 2, 2, 2, 1, 0}, {40, 20, 2, 2, 1, 0}};
    for (size_t place = 0; place < 160; ++place) {
      TestMap x(1, 4, 40);
      x.data[place] = std::nanf("");
      const std::vector<float> out = Bind(PoolKind::kMax, c).RunWhole(x);
      for (size_t i = 0; i < out.size(); ++i) {
        EXPECT_EQ(std::isnan(out[i]), i == place / 80 * 20 + place % 40 / 2) << place;
      }
    }
  });
}

}  // namespace
}  // namespace tinyai
