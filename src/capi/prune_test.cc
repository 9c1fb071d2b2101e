#include <tinyai/utils/prune.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include <tinyai/utils/quantize_mixed.h>
#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

constexpr int kWidth = 64;
constexpr size_t kWeights = kWidth * kWidth;

TinyAIPruneConfig Config(float sparsity, int block = 1) {
  TinyAIPruneConfig config;
  tinyaiInitPruneConfig(&config);
  config.sparsity = sparsity;
  config.blockSize = block;
  return config;
}

ModelHandle OpenDense(int layers) {
  DenseModel dense(kWidth);
  int value = dense.input();
  for (int i = 0; i < layers; ++i) value = dense.Dense(value);
  return OpenModel(dense.Save());
}

std::vector<float> RunLayer(TinyAIMappedModel* model, const std::vector<float>& input,
                            int layer = 0) {
  const Handle<TinyAIForwardScheduler> scheduler(
      tinyaiCreateForwardScheduler(model, TINYAI_EXEC_MEMORY_OPT, 1 << 20),
      tinyaiDestroyForwardScheduler);
  tinyaiAddLayerToSchedule(scheduler.get(), layer, -1, TINYAI_DEP_NONE, 0);
  EXPECT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  std::vector<float> output(kWidth);
  EXPECT_TRUE(tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr));
  return output;
}

// The matrix of a layer, as products with it show it: all terms but one are zero.
std::vector<float> WeightsOf(TinyAIMappedModel* model, int layer) {
  std::vector<float> out(kWeights);
  for (size_t c = 0; c < kWidth; ++c) {
    std::vector<float> x(kWidth);
    x[c] = 1;
    const std::vector<float> column = RunLayer(model, x, layer);
    for (size_t r = 0; r < kWidth; ++r) out[r * kWidth + c] = column[r];
  }
  return out;
}

size_t RoundUp64(size_t bytes) { return (bytes + 63) / 64 * 64; }

// How many weights of a layer in float are zero.
auto Zeros(TinyAIMappedModel* model, int layer) {
  return std::ranges::count(WeightsOf(model, layer), 0.0f);
}

// The weights without the `count` smallest, the first of equal ones, by sorting.
std::vector<float> WithoutSmallest(std::vector<float> weights, size_t count) {
  std::vector<size_t> order(weights.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return std::fabs(weights[i]); });
  for (size_t i = 0; i < count; ++i) weights[order[i]] = 0;
  return weights;
}

void ExpectProduct(const std::vector<float>& weights, const std::vector<float>& x,
                   const std::vector<float>& y, double error) {
  for (size_t r = 0; r < kWidth; ++r) {
    double sum = 0;
    for (size_t c = 0; c < kWidth; ++c) {
      sum += static_cast<double>(weights[r * kWidth + c]) * static_cast<double>(x[c]);
    }
    EXPECT_NEAR(y[r], sum, error) << r;
  }
}

TEST(Pruning, TheSmallestWeightsGoAndResultsAreThoseOfTheRest) {
  const ModelHandle model = OpenDense(1);
  const std::vector<float> own = WeightsOf(model.get(), 0);
  std::vector<float> x(kWidth);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7) - 3;
  const std::vector<float> exact = RunLayer(model.get(), x);
  const TinyAIPruneConfig config = Config(0.7f);
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &config)) << tinyaiGetErrorMessage();
  const std::vector<float> pruned = WithoutSmallest(own, 2867);  // 0.7 of 4096
  EXPECT_EQ(WeightsOf(model.get(), 0), pruned);
  ExpectProduct(pruned, x, RunLayer(model.get(), x), 1e-5);
  const size_t saved = tinyaiCalculatePruningSavings(model.get());
  EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), 0)->size, RoundUp64(kWeights * 4 - saved));
  EXPECT_GT(saved, kWeights * 4 * 2 / 5) << "rows are as long as the fullest";
  const TinyAIPruneConfig back = Config(0);
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &back));
  EXPECT_EQ(WeightsOf(model.get(), 0), own);
  EXPECT_EQ(RunLayer(model.get(), x), exact);
  EXPECT_EQ(tinyaiCalculatePruningSavings(model.get()), 0u);
}

TEST(Pruning, SparsityIsReachedWithinOneBlockAndByLayer) {
  const ModelHandle model = OpenDense(3);
  TinyAIPruneConfig config = Config(0.7f, 5);
  config.layerSparsity[0] = 0.5f;
  config.layerSparsity[2] = 0;
  const std::vector<float> own = WeightsOf(model.get(), 2);
  for (const TinyAIPruneMethod method :
       {TINYAI_PRUNE_MAGNITUDE, TINYAI_PRUNE_THRESHOLD, TINYAI_PRUNE_RANDOM}) {
    config.method = method;
    ASSERT_TRUE(tinyaiPruneModel(model.get(), &config)) << tinyaiGetErrorMessage();
    EXPECT_GE(Zeros(model.get(), 0), 2048) << method;
    EXPECT_LT(Zeros(model.get(), 0), 2048 + 25 + 8) << "some are zero from the beginning";
    EXPECT_GE(Zeros(model.get(), 1), 2867);
    EXPECT_LT(Zeros(model.get(), 1), 2867 + 25 + 8);
    EXPECT_EQ(WeightsOf(model.get(), 2), own);
  }
  config = Config(0.5f);
  config.method = TINYAI_PRUNE_STRUCTURED;
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &config));
  const std::vector<float> rows = WeightsOf(model.get(), 0);
  int empty = 0;
  for (size_t r = 0; r < kWidth; ++r) {
    empty += std::all_of(rows.begin() + static_cast<ptrdiff_t>(r * kWidth),
                         rows.begin() + static_cast<ptrdiff_t>((r + 1) * kWidth),
                         [](float weight) { return weight == 0; });
  }
  EXPECT_EQ(empty, kWidth / 2);
}

TEST(Pruning, MemoryFallsByTheSavingsWithAllLayersLoaded) {
  const ModelHandle model = OpenDense(3);
  const auto loaded = [&] {
    for (int i = 0; i < 3; ++i) EXPECT_NE(tinyaiGetLayerWeights(model.get(), i), nullptr);
    return tinyaiGetMappedModelMemoryUsage(model.get());
  };
  const size_t before = loaded();
  TinyAIPruneConfig config = Config(0.7f, 4);
  config.layerSparsity[1] = 0.01f;  // where a bit for each weight is more than is saved
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &config)) << tinyaiGetErrorMessage();
  EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), 1)->size, kWeights * 4) << "stays dense";
  const size_t after = loaded();
  ASSERT_LT(after, before);
  EXPECT_NEAR(static_cast<double>(before - after),
              static_cast<double>(tinyaiCalculatePruningSavings(model.get())), 3 * 4096);
}

TEST(Pruning, ChanceComesFromTheSeed) {
  const ModelHandle model = OpenDense(1);
  TinyAIPruneConfig config = Config(0.5f);
  config.method = TINYAI_PRUNE_RANDOM;
  const auto pruned = [&](uint64_t seed) {
    EXPECT_TRUE(tinyaiSetPruningSeed(model.get(), seed));
    EXPECT_TRUE(tinyaiPruneModel(model.get(), &config)) << tinyaiGetErrorMessage();
    return WeightsOf(model.get(), 0);
  };
  const std::vector<float> first = pruned(1);
  EXPECT_NE(pruned(2), first);
  EXPECT_EQ(pruned(1), first);
}

TEST(Pruning, ComposesWithPrecisionInAnyOrder) {
  const TinyAIPruneConfig prune = Config(0.7f, 4);
  const std::map<TinyAIPrecision, size_t> dense = {{TINYAI_PREC_INT8, kWeights / 32 * 34},
                                                   {TINYAI_PREC_INT4, kWeights / 32 * 18},
                                                   {TINYAI_PREC_FP16, kWeights * 2}};
  for (const TinyAIPrecision precision : {TINYAI_PREC_INT8, TINYAI_PREC_INT4, TINYAI_PREC_FP16}) {
    TinyAIMixedPrecisionConfig mixed;
    tinyaiInitMixedPrecisionConfig(&mixed);
    mixed.ffnPrecision = precision;
    const ModelHandle first = OpenDense(1), second = OpenDense(1);
    ASSERT_TRUE(tinyaiPruneModel(first.get(), &prune));
    const std::vector<float> pruned = WeightsOf(first.get(), 0);
    ASSERT_TRUE(tinyaiApplyMixedPrecision(first.get(), &mixed));
    ASSERT_TRUE(tinyaiApplyMixedPrecision(second.get(), &mixed));
    ASSERT_TRUE(tinyaiPruneModel(second.get(), &prune));
    const size_t bytes = tinyaiGetLayerDescriptor(first.get(), 0)->size;
    const size_t saved = tinyaiCalculatePruningSavings(first.get());
    EXPECT_GT(saved, 0u);
    EXPECT_EQ(bytes, RoundUp64(dense.at(precision) - saved));
    EXPECT_EQ(tinyaiCalculatePruningSavings(second.get()), saved);
    ASSERT_EQ(tinyaiGetLayerDescriptor(second.get(), 0)->size, bytes);
    EXPECT_EQ(std::memcmp(tinyaiGetLayerWeights(first.get(), 0),
                          tinyaiGetLayerWeights(second.get(), 0), bytes),
              0);
    // A weight of 1 in a vector of zeros: a column of the matrix, with zeros where it is pruned.
    std::vector<float> x(kWidth);
    x[9] = 1;
    const std::vector<float> column = RunLayer(first.get(), x);
    for (size_t r = 0; r < kWidth; ++r) {
      const float weight = pruned[r * kWidth + 9];
      EXPECT_NEAR(column[r], weight, weight == 0 ? 0 : 0.02) << r;
    }
  }
}

TEST(Pruning, WhatMakesNoSenseChangesNothing) {
  const ModelHandle model = OpenDense(1);
  TinyAIPruneConfig good = Config(0.25f);
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &good));
  const std::vector<float> before = WeightsOf(model.get(), 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<TinyAIPruneConfig> bad = {Config(nan), Config(-0.1f), Config(1.5f), Config(-1),
                                        Config(0.5f, -1)};
  for (const float fraction : {nan, 2.0f, -0.5f}) {
    bad.push_back(Config(0.5f));
    bad.back().layerSparsity[TINYAI_PRUNE_MAX_LAYERS - 1] = fraction;
  }
  bad.push_back(Config(0.5f));
  bad.back().method = static_cast<TinyAIPruneMethod>(9);
  for (const TinyAIPruneConfig& config : bad) {
    EXPECT_FALSE(tinyaiPruneModel(model.get(), &config));
    EXPECT_EQ(LastKey(), "ARG_VALUE");
  }
  EXPECT_EQ(WeightsOf(model.get(), 0), before);
}

TEST(Pruning, ATextModelIsPrunedInItsBlocksAndStillWrites) {
  const ModelHandle model = OpenModel(MakeTextModel(2));
  TinyAIMixedPrecisionConfig mixed;
  tinyaiInitMixedPrecisionConfig(&mixed);
  mixed.attentionPrecision = mixed.ffnPrecision = TINYAI_PREC_INT8;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &mixed)) << tinyaiGetErrorMessage();
  const void* embedding = tinyaiGetLayerWeights(model.get(), 0);
  const TinyAIPruneConfig config = Config(0.7f, 4);
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &config)) << tinyaiGetErrorMessage();
  EXPECT_EQ(tinyaiGetLayerWeights(model.get(), 0), embedding) << "only when it is asked for";
  ExpectItWrites(model.get(), 1);
}

}  // namespace
}  // namespace tinyai::capi
