#include "kernel/recurrent.h"

#include "kernel/testing.h"

namespace tinyai {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(LstmCell, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 7, 16, 100}) {
      const std::vector<float> i = RandomFloats(size, 1), f = RandomFloats(size, 2),
                               g = RandomFloats(size, 3), o = RandomFloats(size, 4),
                               cell = RandomFloats(size, 5);
      std::vector<float> new_cell = cell, hidden(size);
      LstmCell({i, f, g, o}, new_cell, new_cell, hidden);
      for (size_t k = 0; k < size; ++k) {
        const double c = Sigmoid(f[k]) * cell[k] + Sigmoid(i[k]) * std::tanh(g[k]);
        // Values below 6 from a handful of functions, each within 4e-7.
        EXPECT_NEAR(new_cell[k], c, 6 * 1e-6);
        EXPECT_NEAR(hidden[k], Sigmoid(o[k]) * std::tanh(c), 6 * 1e-6);
      }
    }
  });
}

TEST(GruCell, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const size_t size : {1, 7, 16, 100}) {
      const std::vector<float> r = RandomFloats(size, 1), z = RandomFloats(size, 2),
                               x = RandomFloats(size, 3), h = RandomFloats(size, 4),
                               state = RandomFloats(size, 5);
      std::vector<float> next = state;
      GruCell({r, z, x, h}, next, next);
      for (size_t k = 0; k < size; ++k) {
        const double candidate = std::tanh(x[k] + Sigmoid(r[k]) * h[k]);
        const double update = Sigmoid(z[k]);
        EXPECT_NEAR(next[k], (1 - update) * candidate + update * state[k], 6 * 1e-6);
      }
    }
  });
}

TEST(Cells, GiveAUnitTheSameBitsAlone) {
  ForEachInstructionSet([] {
    const std::vector<float> a = RandomFloats(50, 1), b = RandomFloats(50, 2);
    std::vector<float> cell(50), hidden(50), state(50);
    LstmCell({a, b, a, b}, b, cell, hidden);
    GruCell({a, b, a, b}, b, state);
    for (size_t k = 0; k < 50; ++k) {
      const std::span<const float> one_a = std::span(a).subspan(k, 1),
                                   one_b = std::span(b).subspan(k, 1);
      float c = 0, h = 0, s = 0;
      LstmCell({one_a, one_b, one_a, one_b}, one_b, {&c, 1}, {&h, 1});
      GruCell({one_a, one_b, one_a, one_b}, one_b, {&s, 1});
      EXPECT_TRUE(SameBits(c, cell[k]));
      EXPECT_TRUE(SameBits(h, hidden[k]));
      EXPECT_TRUE(SameBits(s, state[k]));
    }
  });
}

}  // namespace
}  // namespace tinyai
