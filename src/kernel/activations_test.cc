#include "kernel/activations.h"

#include <limits>

#include "kernel/testing.h"

namespace tinyai {
namespace {

constexpr float kAlpha = 0.1f;

struct Case {
  Activation kind;
  const char* name;
  double (*exact)(double);
  double near_zero = 0;  // absolute error
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double HardSigmoid(double x) { return std::fmin(std::fmax(x / 6 + 0.5, 0), 1); }

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {Activation::kRelu, "relu", [](double x) { return std::fmax(x, 0); }},
      {Activation::kClip, "clip", [](double x) { return std::fmin(std::fmax(x, 0), kAlpha); }},
      {Activation::kLeakyRelu, "leaky relu", [](double x) { return x < 0 ? kAlpha * x : x; }},
      {Activation::kGelu, "gelu",
       [](double x) { return x / 2 * std::erfc(-x * 0.70710678118654752440); }, 2e-7},
      {Activation::kGeluTanh, "gelu tanh",
       [](double x) {
         return x * Sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x));
       },
       2e-7},
      {Activation::kSilu, "silu", [](double x) { return x * Sigmoid(x); }},
      {Activation::kSigmoid, "sigmoid", Sigmoid},
      {Activation::kTanh, "tanh", [](double x) { return std::tanh(x); }},
      {Activation::kHardSigmoid, "hard sigmoid", HardSigmoid, 2e-7},
      {Activation::kHardSwish, "hard swish", [](double x) { return x * HardSigmoid(x); }, 2e-7},
      {Activation::kExp, "exp", [](double x) { return std::exp(x); }},
  };
  return cases;
}

TEST(Activate, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    std::vector<float> x;
    for (int i = -40000; i <= 40000; ++i) x.push_back(static_cast<float>(i) / 4096);
    for (const float v : {1e-3f, 1e-6f, 1e-20f, 12.5f, 20.0f, 80.0f}) {
      x.push_back(v);
      x.push_back(-v);
    }
    std::vector<float> out(x.size());
    for (const Case& c : Cases()) {
      Activate(c.kind, kAlpha, x, out);
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = c.exact(x[i]);
        // The header's promise; below the smallest normal float, zero will do.
        ASSERT_NEAR(out[i], expected, 4e-7 * std::fabs(expected) + c.near_zero + 2e-38)
            << c.name << " of " << x[i];
      }
    }
  });
}

TEST(Activate, GivesAnElementTheSameBitsWhereverItStandsAlsoInPlace) {
  ForEachInstructionSet([] {
    const std::vector<float> x = RandomFloats(100, 3, 3.0f);
    std::vector<float> whole(x.size());
    for (const Case& c : Cases()) {
      Activate(c.kind, kAlpha, x, whole);
      for (size_t first = 0; first < 100; first += 7) {
        for (size_t size = 1; first + size <= 100; size += 5) {
          std::vector<float> part(x.begin() + first, x.begin() + first + size);
          Activate(c.kind, kAlpha, part, part);
          for (size_t i = 0; i < size; ++i) {
            ASSERT_TRUE(SameBits(part[i], whole[first + i])) << c.name;
          }
        }
      }
    }
  });
}

TEST(Activate, TakesExtremeValues) {
  ForEachInstructionSet([] {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const Case& c : Cases()) {
      std::vector<float> x = {std::nanf(""), 1e30f, kInfinity, 0.0f};
      std::vector<float> out(x.size());
      Activate(c.kind, kAlpha, x, out);
      EXPECT_TRUE(std::isnan(out[0])) << c.name;
      EXPECT_EQ(out[1], static_cast<float>(c.exact(1e30f))) << c.name;
      EXPECT_EQ(out[2], static_cast<float>(c.exact(kInfinity))) << c.name;
      EXPECT_EQ(out[3], static_cast<float>(c.exact(0.0f))) << c.name;
    }
    std::vector<float> x = {-1e30f, -100.0f};
    for (const Activation kind : {Activation::kGelu, Activation::kGeluTanh, Activation::kSilu,
                                  Activation::kSigmoid, Activation::kExp}) {
      std::vector<float> out(x.size());
      Activate(kind, 0.0f, x, out);
      EXPECT_NEAR(out[0], 0.0f, 1e-30f);
      EXPECT_NEAR(out[1], 0.0f, 1e-30f);
    }
    Activate(Activation::kTanh, 0.0f, x, x);
    EXPECT_EQ(x[0], -1.0f);
  });
}

}  // namespace
}  // namespace tinyai
