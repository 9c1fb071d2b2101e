#include <tinyai/sensitivity.h>

#include <algorithm>
#include <numeric>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

using Errors = std::vector<TinyAILayerError>;
constexpr size_t kWidth = 64;

std::vector<float> Input() {
  std::vector<float> input(kWidth);
  for (size_t i = 0; i < kWidth; ++i) input[i] = 1 - static_cast<float>(i) / 40;
  return input;
}

template <typename Function, typename... Arguments>
Errors Measure(Function function, Arguments... arguments) {
  Errors errors(16);
  const int count = function(arguments..., errors.data(), 16);
  EXPECT_GE(count, 0) << tinyaiGetErrorMessage();
  errors.resize(static_cast<size_t>(std::max(count, 0)));
  return errors;
}

// A chain of layers, whose results are sums: what they would be with half of one layer's weights.
class Chain {
 public:
  explicit Chain(uint32_t layers) : layers_(layers) {
    int value = model_.input();
    for (uint32_t i = 0; i < layers; ++i) value = model_.Dense(value);
    path_ = model_.Save();
  }
  const std::string& path() const { return path_; }

  // The results of `at` and of the last layer, with layer `pruned` (if there is one) without the
  // smaller half of its weights.
  std::pair<std::vector<double>, std::vector<double>> Apply(uint32_t at, int pruned) const {
    const std::vector<float> input = Input();
    std::vector<double> x(input.begin(), input.end()), kept;
    for (uint32_t layer = 0; layer < layers_; ++layer) {
      x = static_cast<int>(layer) == pruned ? ApplyHalf(layer, x)
                                            : model_.Apply(static_cast<int>(layer), x);
      if (layer == at) kept = x;
    }
    return {kept, x};
  }

 private:
  static std::vector<double> ApplyHalf(uint32_t layer, const std::vector<double>& x) {
    const std::vector<float> weights = SomeWeights(kWidth, kWidth, layer);
    std::vector<size_t> order(weights.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](size_t i) { return std::abs(weights[i]); });
    std::vector<double> y(kWidth);
    for (size_t i = order.size() / 2; i < order.size(); ++i) {
      y[order[i] / kWidth] += static_cast<double>(weights[order[i]]) * x[order[i] % kWidth];
    }
    return y;
  }

  DenseModel model_{kWidth};
  uint32_t layers_;
  std::string path_;
};

double RelativeChange(const std::vector<double>& was, const std::vector<double>& is) {
  double squares = 0, changes = 0;
  for (size_t i = 0; i < was.size(); ++i) {
    squares += was[i] * was[i];
    changes += (is[i] - was[i]) * (is[i] - was[i]);
  }
  return std::sqrt(changes / squares);
}

TEST(Sensitivity, IsTheChangeThatOneLayerAloneMakes) {
  const Chain chain(3);
  const ModelHandle model = OpenModel(chain.path());
  const std::vector<float> input = Input();
  TinyAIPruneConfig config;
  tinyaiInitPruneConfig(&config);
  const Errors errors = Measure(tinyaiMeasurePruningErrors, model.get(), &config, input.data());
  ASSERT_EQ(errors.size(), 3u);
  for (uint32_t layer = 0; layer < 3; ++layer) {
    EXPECT_EQ(errors[layer].layer, static_cast<int>(layer));
    EXPECT_LT(errors[layer].bytes, kWidth * kWidth * sizeof(float) * 7 / 10);
    const auto [was, all] = chain.Apply(layer, -1);
    const auto [is, changed] = chain.Apply(layer, static_cast<int>(layer));
    // Results in float, whose rounding is far below these changes.
    EXPECT_NEAR(errors[layer].layer_error, RelativeChange(was, is), 1e-5);
    EXPECT_NEAR(errors[layer].model_error, RelativeChange(all, changed), 1e-5);
  }
  // Without any weights nothing is left; and nothing was changed in the model meanwhile.
  config.sparsity = 1;
  for (const TinyAILayerError& error :
       Measure(tinyaiMeasurePruningErrors, model.get(), &config, input.data())) {
    EXPECT_DOUBLE_EQ(error.layer_error, 1);
    EXPECT_DOUBLE_EQ(error.model_error, 1);
  }
  EXPECT_EQ(tinyaiCalculatePruningSavings(model.get()), 0u);
  EXPECT_EQ(tinyaiMeasureLayerErrors(model.get(), input.data(), nullptr, 0), 0);
}

TEST(Sensitivity, FallsWithMoreBitsAndIsThatOfWhatIsInForce) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const char* const text = "abcdefgh";
  const Errors four = Measure(tinyaiMeasurePrecisionErrors, model.get(), TINYAI_PREC_INT4, text);
  const Errors eight = Measure(tinyaiMeasurePrecisionErrors, model.get(), TINYAI_PREC_INT8, text);
  ASSERT_EQ(four.size(), 6u);  // embedding, attention and feed-forward twice, output
  ASSERT_EQ(eight.size(), four.size());
  for (size_t i = 0; i < four.size(); ++i) {
    EXPECT_GT(four[i].layer_error, eight[i].layer_error) << i;
    EXPECT_GT(four[i].model_error, eight[i].model_error) << i;
    EXPECT_GT(eight[i].layer_error, 0) << i;
    EXPECT_LT(eight[i].model_error, 0.1) << i;
    EXPECT_LT(four[i].bytes, eight[i].bytes);
  }
  EXPECT_DOUBLE_EQ(four.back().layer_error, four.back().model_error);
  TinyAIMixedPrecisionConfig config;
  tinyaiInitMixedPrecisionConfig(&config);
  config.ffnPrecision = TINYAI_PREC_INT4;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &config));
  const Errors in_force = Measure(tinyaiMeasureLayerErrors, model.get(), text);
  ASSERT_EQ(in_force.size(), 2u);
  EXPECT_EQ(in_force[1].layer, 4);
  EXPECT_EQ(in_force[1].layer_error, four[4].layer_error);
  EXPECT_EQ(in_force[1].model_error, four[4].model_error);
}

TEST(Sensitivity, RefusesWhatItCannotMeasure) {
  const ModelHandle model = OpenModel(Chain(1).path());
  EXPECT_EQ(tinyaiMeasurePrecisionErrors(model.get(), static_cast<TinyAIPrecision>(77), nullptr,
                                         nullptr, 0),
            -1);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  TinyAIPruneConfig config;
  tinyaiInitPruneConfig(&config);
  config.sparsity = -2;
  EXPECT_EQ(tinyaiMeasurePruningErrors(model.get(), &config, nullptr, nullptr, 0), -1);
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  // Zeros change nothing.
  const Errors zeros = Measure(tinyaiMeasurePrecisionErrors, model.get(), TINYAI_PREC_INT8,
                               static_cast<const void*>(nullptr));
  ASSERT_EQ(zeros.size(), 1u);
  EXPECT_EQ(zeros[0].layer_error, 0);
}

}  // namespace
}  // namespace tinyai::capi
