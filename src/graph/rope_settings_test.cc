#include "graph/rope_settings.h"

#include <cmath>
#include <numbers>

#include "graph/build.h"
#include "graph/graph_test_support.h"
#include "gtest/gtest.h"

namespace tinyai {
namespace {

constexpr uint64_t kDims = 16;  // of a head of the test model

RopeSettings Settings(const TestModel& model) {
  const Result<ModelFile> file = model.Read();
  const Result<Graph> graph = BuildGraph(*file, {});
  EXPECT_TRUE(graph) << Describe(graph.error());
  return graph ? graph->rope : RopeSettings{};
}

// theta_i = base^(-2i/d), RoFormer (Su et al. 2021), section 3.2.2.
double Theta(double base, uint64_t pair, uint64_t dims = kDims) {
  return std::exp(-2.0 * static_cast<double>(pair) / static_cast<double>(dims) * std::log(base));
}

void ExpectFrequencies(const RopeFrequencies& found, const std::vector<double>& expected,
                       double magnitude) {
  ASSERT_EQ(found.per_position.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found.per_position[i], expected[i], 1e-12 * expected[i]) << "pair " << i;
  }
  EXPECT_NEAR(found.magnitude, magnitude, 1e-12);
}

TEST(RopeSettings, PlainAnglesFallGeometrically) {
  for (const float base : {10'000.f, 500'000.f, 2.f}) {
    TestModel model{TestShape{}};
    model.SetF32("rope.freq_base", base);
    std::vector<double> expected;
    for (uint64_t i = 0; i < kDims / 2; ++i) expected.push_back(Theta(base, i));
    ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), expected, 1);
  }
}

TEST(RopeSettings, FewerDimensionsThanTheHeadTurnTheFirstOnes) {
  TestModel model{TestShape{}};
  model.SetU32("rope.dimension_count", 6);
  std::vector<double> expected;
  for (uint64_t i = 0; i < 3; ++i) expected.push_back(Theta(10'000, i, 6));
  ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), expected, 1);
}

// Chen et al. 2023: position / factor. Three spellings of the same.
TEST(RopeSettings, LinearScalingDividesEveryAngle) {
  std::vector<double> expected;
  for (uint64_t i = 0; i < kDims / 2; ++i) expected.push_back(Theta(10'000, i) / 4);
  TestModel named{TestShape{}}, unnamed{TestShape{}}, old{TestShape{}};
  named.SetString("rope.scaling.type", "linear");
  named.SetF32("rope.scaling.factor", 4);
  unnamed.SetF32("rope.scaling.factor", 4);
  old.SetF32("rope.scale_linear", 4);
  for (const TestModel& model : {named, unnamed, old}) {
    ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), expected, 1);
  }
}

TEST(RopeSettings, TypeNoneIgnoresTheFactor) {
  TestModel model{TestShape{}};
  model.SetString("rope.scaling.type", "none");
  model.SetF32("rope.scaling.factor", 4);
  std::vector<double> expected;
  for (uint64_t i = 0; i < kDims / 2; ++i) expected.push_back(Theta(10'000, i));
  ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), expected, 1);
}

// YaRN (Peng et al. 2023), equations 17 to 23 in the form that implementations agree on: pairs
// that turn more than beta_fast times in the original context keep their angle, those that turn
// less than beta_slow times are divided by the factor, whole pair numbers bound the ramp between.
std::vector<double> Yarn(double base, double factor, double context, double fast, double slow) {
  const auto pair_of = [&](double turns) {  // context * base^(-2 pair / d) = 2 pi turns
    return kDims / 2.0 * std::log(context / (2 * std::numbers::pi * turns)) / std::log(base);
  };
  const double low = std::max(std::floor(pair_of(fast)), 0.0);
  const double high = std::min(std::ceil(pair_of(slow)), kDims - 1.0);
  std::vector<double> out;
  for (uint64_t i = 0; i < kDims / 2; ++i) {
    double interpolated = (static_cast<double>(i) - low) / std::max(high - low, 1e-3);
    interpolated = std::min(std::max(interpolated, 0.0), 1.0);
    const double theta = Theta(base, i);
    out.push_back(theta / factor * interpolated + theta * (1 - interpolated));
  }
  return out;
}

TEST(RopeSettings, YarnKeepsFastPairsAndInterpolatesSlowOnes) {
  for (const uint32_t context : {64u, 4'096u, 32'768u}) {
    for (const float factor : {2.f, 4.f, 40.f}) {
      TestModel model{TestShape{}};
      model.SetString("rope.scaling.type", "yarn");
      model.SetF32("rope.scaling.factor", factor);
      model.SetU32("rope.scaling.original_context_length", context);
      ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}),
                        Yarn(10'000, factor, context, 32, 1),
                        1 + 0.1 * std::log(static_cast<double>(factor)));
    }
  }
}

TEST(RopeSettings, YarnTakesItsParametersFromTheFile) {
  TestModel model{TestShape{}};
  model.SetString("rope.scaling.type", "yarn");
  model.SetF32("rope.scaling.factor", 8);
  model.SetU32("rope.scaling.original_context_length", 1'024);
  model.SetF32("rope.scaling.yarn_beta_fast", 16);
  model.SetF32("rope.scaling.yarn_beta_slow", 2);
  model.SetF32("rope.scaling.attn_factor", 0.5);
  ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), Yarn(10'000, 8, 1'024, 16, 2),
                    0.5 * (1 + 0.1 * std::log(8.0)));
  model.SetF32("rope.scaling.yarn_ext_factor", 0);  // then it is linear, and nothing is louder
  std::vector<double> linear;
  for (uint64_t i = 0; i < kDims / 2; ++i) linear.push_back(Theta(10'000, i) / 8);
  ExpectFrequencies(ComputeRopeFrequencies(Settings(model), {}), linear, 0.5);
}

TEST(RopeSettings, DivisorsFromTheFileDivideEachPair) {
  TestModel model{TestShape{}};
  model.tensors.push_back({"rope_freqs.weight", DType::kF32, {kDims / 2}});
  const RopeSettings settings = Settings(model);
  ASSERT_TRUE(settings.divisors);
  const std::vector<float> divisors = {1, 1, 1.25f, 2, 3, 5, 8, 8};
  std::vector<double> expected;
  for (uint64_t i = 0; i < kDims / 2; ++i) {
    expected.push_back(Theta(10'000, i) / static_cast<double>(divisors[i]));
  }
  ExpectFrequencies(ComputeRopeFrequencies(settings, divisors), expected, 1);
}

}  // namespace
}  // namespace tinyai
