#include "test_support.h"

namespace {

using tinyai::Model;

static_assert(!std::is_copy_constructible_v<Model> && std::is_nothrow_move_constructible_v<Model>);
static_assert(!std::is_copy_constructible_v<tinyai::Plan>);
static_assert(!std::is_copy_constructible_v<tinyai::Session>);
static_assert(!std::is_copy_constructible_v<tinyai::Pass>);
static_assert(!std::is_copy_constructible_v<tinyai::Graph>);

// Layers of 64 x 64 numbers that count up.
Model ThreeLayers() {
  static const std::vector<float> numbers = [] {
    std::vector<float> out(64 * 64);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(i % 97) / 97 - 0.5f;
    return out;
  }();
  tinyai::Graph graph("three");
  tinyai::Graph::Value value = graph.Input("x", {64});
  for (const char* name : {"a", "b", "c"}) {
    value = graph.Dense(name, value, graph.AddWeight(name, 64, 64, numbers));
    graph.EndLayer(name, tinyai::Role::kFeedForward);
  }
  return SaveAndOpen(graph, "three.tmai");
}

TEST(Model, TellsItsLayersAndShowsTheirWeights) {
  Model model = ThreeLayers();
  EXPECT_EQ(model.layer_count(), 3);
  const tinyai::Layer layer = model.layer(1).value();
  EXPECT_EQ(layer.name, "b");
  EXPECT_EQ(layer.role, tinyai::Role::kFeedForward);
  EXPECT_EQ(layer.format, "F32");
  EXPECT_EQ(layer.bits, 32);
  EXPECT_EQ(layer.bytes, 64 * 64 * sizeof(float));
  EXPECT_FALSE(layer.loaded);
  const std::span<const std::byte> weights = model.Weights(1).value();
  ASSERT_EQ(weights.size(), layer.bytes);
  EXPECT_EQ(reinterpret_cast<const float*>(weights.data())[1], 1.0f / 97 - 0.5f);
  EXPECT_TRUE(model.layer(1)->loaded);
  EXPECT_GE(model.cached_bytes(), layer.bytes);
  model.SetPriority(1, 3);
  EXPECT_EQ(model.layer(1)->priority, 3);
  model.Release(1);
  EXPECT_FALSE(model.layer(1)->loaded);
  EXPECT_EQ(model.layer(3).error().key, "ARG_INDEX");
  EXPECT_EQ(model.Weights(-1).error().key, "ARG_INDEX");
}

TEST(Model, ThatCannotBeOpenedIsAnError) {
  const auto missing = Model::Open("no such file");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().key, "OPEN");
  EXPECT_EQ(missing.error().code, TINYAI_ERROR_IO);
  EXPECT_FALSE(missing.error().message.empty());
  EXPECT_EQ(Model::Open(TextModelPath(), {.read_ahead_threads = -5}).error().key, "CONFIG");
}

TEST(Model, TakesFewerBitsAndZeros) {
  Model model = ThreeLayers();
  const std::size_t whole = model.layer(0)->bytes;
  model.ApplyPrecision(tinyai::Precision::All(TINYAI_PREC_INT8)).value();
  EXPECT_EQ(model.layer(0)->format, "Q8_0");
  EXPECT_EQ(model.layer(0)->bytes, whole / 128 * 34);
  model.ApplyPrecision({.attention = TINYAI_PREC_INT4}).value();
  EXPECT_EQ(model.layer(0)->format, "F32");  // from the file's own weights, by role
  model.Prune(0.75f).value();
  EXPECT_LT(model.layer(0)->bytes, whole / 2);
  EXPECT_GE(model.pruning_savings(), 3 * whole / 2);
  EXPECT_EQ(model.Prune(2).error().key, "ARG_VALUE");
  model.Save(FilePath("saved.tmai")).value();
  EXPECT_EQ(model.Save(FilePath("three.tmai")).error().key, "OUTPUT_IS_INPUT");
  const Model saved = Model::Open(FilePath("saved.tmai")).value();
  EXPECT_EQ(saved.layer_count(), 3);
  std::vector<float> outputs[2];
  const Model* const models[] = {&model, &saved};
  for (int i = 0; i < 2; ++i) {
    tinyai::Pass pass = tinyai::Pass::Prepare(*models[i]).value();
    outputs[i] = RunPass(pass, std::vector<float>(64, 0.25f));
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  model.Prune(0).value();
  EXPECT_EQ(model.pruning_savings(), 0u);
}

TEST(Model, TurnsTextIntoTokensAndBack) {
  const Model model = OpenText();
  EXPECT_TRUE(model.is_text());
  EXPECT_FALSE(ThreeLayers().is_text());
  const std::vector<std::int32_t> tokens = model.Tokenize("Once upon a time", false).value();
  EXPECT_GT(tokens.size(), 1u);
  EXPECT_EQ(model.Detokenize(tokens).value(), "Once upon a time");
  EXPECT_EQ(model.Detokenize({}).value(), "");
  EXPECT_EQ(ThreeLayers().Tokenize("a").error().key, "NO_TEXT_MODEL");
}

}  // namespace
