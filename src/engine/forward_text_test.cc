#include <memory>
#include <vector>

#include "engine/engine_test_support.h"
#include "engine/forward_pass.h"
#include "engine/forward_test_support.h"
#include "gtest/gtest.h"
#include "kernel/elementwise.h"
#include "make_model/make_model.h"

namespace tinyai {
namespace {

// A small text model and what a session says after the prompt and after each greedy token.
struct TextModel {
  ScratchDirectory scratch;
  std::shared_ptr<const Model> model;

  TextModel() {
    const std::string path = (scratch.path() / "model.gguf").string();
    const Status made = testing_models::MakeModel(
        {.n_embd = 128, .n_layer = 3, .n_ff = 256, .type = DType::kQ8_0, .logit_std = 4}, path);
    EXPECT_TRUE(made) << Describe(made.error());
    auto opened = Model::Open(path, {});
    EXPECT_TRUE(opened) << Describe(opened.error());
    model = *opened;
  }
};

const std::vector<int32_t> kPrompt = {1, 17, 40, 3, 250};
constexpr int kTokens = 6;

std::vector<std::vector<float>> BySession(const TextModel& text) {
  Machine machine = NetMachine();
  auto plan = PlanSession(*text.model, {.context = 64, .threads = 2}, machine);
  EXPECT_TRUE(plan) << Describe(plan.error());
  Budget process{"process", Budget::kUnlimited};
  auto session = Session::Open(text.model, std::move(*plan), process);
  EXPECT_TRUE(session) << Describe(session.error());
  std::vector<std::vector<float>> out;
  std::vector<TokenId> next(kPrompt.begin(), kPrompt.end());
  for (int i = 0; i < kTokens; ++i) {
    const auto logits = (*session)->Feed(next, {});
    EXPECT_TRUE(logits) << Describe(logits.error());
    out.emplace_back(logits->begin(), logits->end());
    next = {static_cast<TokenId>(ArgMax(*logits))};
  }
  return out;
}

std::vector<std::vector<float>> ByLayers(const TextModel& text, ForwardOptions options) {
  const ForwardModel model = ForwardModel::Of(text.model);
  options.context = 64;
  options.threads = 2;
  std::vector<std::vector<float>> out;
  auto plan = PlanForward(model, options, NetMachine());
  EXPECT_TRUE(plan) << Describe(plan.error());
  if (!plan) return out;
  Budget process{"process", Budget::kUnlimited};
  auto pass = ForwardPass::Open(model, std::move(*plan), process);
  EXPECT_TRUE(pass) << Describe(pass.error());
  std::vector<int32_t> next = kPrompt;
  uint64_t position = 0;
  for (int i = 0; i < kTokens; ++i) {
    for (size_t done = 0; done < next.size();) {
      const size_t count = std::min<size_t>((*pass)->plan().plan.chunk, next.size() - done);
      EXPECT_TRUE((*pass)->Begin(std::span(next).subspan(done, count), position));
      uint32_t expected = 0;
      while (!(*pass)->is_complete()) {
        const Result<uint32_t> layer = (*pass)->RunNext();
        EXPECT_TRUE(layer) << Describe(layer.error());
        EXPECT_EQ(*layer, expected++);  // a chain
      }
      EXPECT_EQ(expected, text.model->graph().layers.size());
      done += count;
      position += count;
    }
    const std::span<const float> logits = (*pass)->Logits();
    out.emplace_back(logits.begin(), logits.end());
    next = {static_cast<int32_t>(ArgMax(logits))};
  }
  return out;
}

TEST(TextForwardPass, SaysLayerByLayerWhatASessionSays) {
  const TextModel text;
  const auto expected = BySession(text);
  const auto& layers = text.model->graph().layers;
  ASSERT_EQ(layers.size(), 2 + 2 * 3U);
  EXPECT_EQ(layers[0].role, LayerRole::kEmbedding);
  EXPECT_EQ(layers[1].role, LayerRole::kAttention);
  EXPECT_EQ(layers[2].role, LayerRole::kFeedForward);
  EXPECT_EQ(layers.back().role, LayerRole::kOutput);
  for (const PlanMode mode :
       {PlanMode::kNormal, PlanMode::kMemoryOptimised, PlanMode::kStreaming, PlanMode::kAdaptive}) {
    EXPECT_EQ(ByLayers(text, {.mode = mode}), expected) << Name(mode);
  }
  ForwardOptions chain;  // as the user adds them
  for (uint32_t i = 0; i < layers.size(); ++i) {
    chain.layers.push_back({i, i == 0 ? std::vector<uint32_t>{} : std::vector<uint32_t>{i - 1}});
  }
  EXPECT_EQ(ByLayers(text, chain), expected);
}

}  // namespace
}  // namespace tinyai
