#include <tinyai/utils/quantize_mixed.h>

#include <cmath>
#include <cstring>

#include "capi/capi_test_support.h"

namespace tinyai::capi {
namespace {

constexpr int kWidth = 64;

TinyAIMixedPrecisionConfig Config(TinyAIPrecision ffn) {
  TinyAIMixedPrecisionConfig config;
  tinyaiInitMixedPrecisionConfig(&config);
  config.ffnPrecision = ffn;
  return config;
}

std::vector<float> RunChain(TinyAIMappedModel* model) {
  const auto scheduler = PrepareChain(model, TINYAI_EXEC_MEMORY_OPT, 1 << 20);
  std::vector<float> input(kWidth), output(kWidth);
  for (int i = 0; i < kWidth; ++i) input[static_cast<size_t>(i)] = static_cast<float>(i % 5) - 2;
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), nullptr)) {
  }
  EXPECT_EQ(LastKey(), "") << tinyaiGetErrorMessage();
  return output;
}

TEST(MixedPrecision, WeightsShrinkAndResultsStayClose) {
  DenseModel dense(kWidth);
  dense.Dense(dense.Dense(dense.Dense(dense.input())));
  const ModelHandle model = OpenModel(dense.Save());
  TinyAIMappedModel* const m = model.get();
  const std::vector<float> exact = RunChain(m);
  const void* own = tinyaiGetLayerWeights(m, 1);
  std::vector<float> kept(kWidth * kWidth);
  std::memcpy(kept.data(), own, kept.size() * 4);
  struct Case {
    TinyAIPrecision precision;
    int bits;
    size_t bytes;
    float error;
  };
  for (const Case& c : {Case{TINYAI_PREC_INT2, 2, kWidth * kWidth * 10 / 32, 2.5f},
                        Case{TINYAI_PREC_INT4, 4, kWidth * kWidth * 18 / 32, 0.5f},
                        Case{TINYAI_PREC_INT8, 8, kWidth * kWidth * 34 / 32, 0.03f},
                        Case{TINYAI_PREC_BF16, 16, kWidth * kWidth * 2, 0.02f},
                        Case{TINYAI_PREC_FP16, 16, kWidth * kWidth * 2, 0.003f}}) {
    const TinyAIMixedPrecisionConfig config = Config(c.precision);
    ASSERT_TRUE(tinyaiApplyMixedPrecision(m, &config)) << tinyaiGetErrorMessage();
    const TinyAILayerDescriptor* row = tinyaiGetLayerDescriptor(m, 1);
    EXPECT_EQ(row->precision, c.bits);
    EXPECT_EQ(row->size, c.bytes);
    EXPECT_FALSE(row->isActive);
    EXPECT_NE(tinyaiGetLayerWeights(m, 1), own);
    const std::vector<float> result = RunChain(m);
    for (size_t i = 0; i < kWidth; ++i) EXPECT_NEAR(result[i], exact[i], c.error) << c.bits;
  }
  // The address from before holds what it held.
  EXPECT_EQ(std::memcmp(own, kept.data(), kept.size() * 4), 0);
  const TinyAIMixedPrecisionConfig keep = Config(TINYAI_PREC_KEEP);
  ASSERT_TRUE(tinyaiApplyMixedPrecision(m, &keep));
  EXPECT_EQ(tinyaiGetLayerDescriptor(m, 1)->precision, 32);
  EXPECT_EQ(RunChain(m), exact) << "made from the file's own weights each time";
}

TEST(MixedPrecision, WhatMakesNoSenseChangesNothing) {
  DenseModel dense(kWidth);
  dense.Dense(dense.input());
  const ModelHandle model = OpenModel(dense.Save());
  TinyAIMixedPrecisionConfig config = Config(static_cast<TinyAIPrecision>(77));
  EXPECT_FALSE(tinyaiApplyMixedPrecision(model.get(), &config));
  EXPECT_EQ(LastKey(), "ARG_VALUE");
  EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), 0)->precision, 32);
  EXPECT_FALSE(tinyaiApplyMixedPrecision(nullptr, &config));
  EXPECT_EQ(LastKey(), "ARG_NULL");
}

TEST(MixedPrecision, ATextModelWithFewerBitsStillWrites) {
  const ModelHandle model = OpenModel(MakeTextModel(2));
  TinyAIMixedPrecisionConfig config;
  tinyaiInitMixedPrecisionConfig(&config);
  config.embeddingPrecision = TINYAI_PREC_INT8;
  config.attentionPrecision = config.ffnPrecision = TINYAI_PREC_INT4;
  config.outputPrecision = TINYAI_PREC_FP16;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &config)) << tinyaiGetErrorMessage();
  const int bits[] = {8, 4, 4, 4, 4, 16};
  for (int i = 0; i < 6; ++i)
    EXPECT_EQ(tinyaiGetLayerDescriptor(model.get(), i)->precision, bits[i]);
  ExpectItWrites(model.get(), 2);
}

}  // namespace
}  // namespace tinyai::capi
