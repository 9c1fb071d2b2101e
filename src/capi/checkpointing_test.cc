// What becomes of outputs that lie about unused: computed again, or stored.

#include "capi/chain_test_support.h"

namespace tinyai::capi {
namespace {

std::vector<float> LastOutput(const LayersHandle& scheduler, int last, size_t width,
                              size_t in_width = kWidth) {
  const int shape[] = {static_cast<int>(in_width)}, out_shape[] = {static_cast<int>(width)};
  const Handle<TinyAITensor> input(tinyaiCreateTensor(shape, 1, TINYAI_TENSOR_FLOAT32),
                                   tinyaiFreeTensor);
  const Handle<TinyAITensor> output(tinyaiCreateTensor(out_shape, 1, TINYAI_TENSOR_FLOAT32),
                                    tinyaiFreeTensor);
  static_cast<float*>(tinyaiGetTensorData(input.get()))[3] = 1;
  for (int i = 0; i <= last; ++i) {
    EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(scheduler.get(), i, input.get(),
                                                         i == last ? output.get() : nullptr))
        << tinyaiGetErrorMessage();
  }
  const auto* values = static_cast<const float*>(tinyaiGetTensorData(output.get()));
  return {values, values + width};
}

// A wide result that is added again after a wider one between narrow ones: computed again for that,
// it need not lie beside the widest.
struct Hourglass {
  static constexpr size_t kWider = 4 * kWidth, kWidest = 8 * kWidth;
  static constexpr size_t kKept = (kWider + kWidth + kWidest) * sizeof(float);
  static constexpr int kLayers = 6;
  Handle<TinyAIModelBuilder> builder{tinyaiCreateModelBuilder("hourglass"), tinyaiFreeModelBuilder};
  std::deque<std::vector<float>> weights;
  std::string path = (Scratch().path() / "hourglass.tmai").string();

  Hourglass() {
    const size_t shape[] = {kWidth};
    const int x = tinyaiBuilderAddInput(builder.get(), "x", shape, 1);
    const int wide = Dense(x, kWidth, kWider);
    const int widest = Dense(Dense(wide, kWider, kWidth), kWidth, kWidest);
    const int both[] = {Dense(Dense(widest, kWidest, kWidth), kWidth, kWider), wide};
    tinyaiBuilderAddOp(builder.get(), "sum", "add", nullptr, both, 2, nullptr, 0);
    EXPECT_EQ(tinyaiBuilderEndLayer(builder.get(), "sum", TINYAI_LAYER_ROLE_OTHER), kLayers - 1);
    EXPECT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
  }
  int Dense(int from, size_t in, size_t out) {
    const std::string name = fmt::format("dense.{}", weights.size());
    weights.push_back(SomeWeights(out, in, static_cast<uint32_t>(weights.size())));
    const int weight =
        tinyaiBuilderAddWeight(builder.get(), name.c_str(), "F32", out, in, weights.back().data());
    const int value =
        tinyaiBuilderAddOp(builder.get(), name.c_str(), "dense", nullptr, &from, 1, &weight, 1);
    tinyaiBuilderEndLayer(builder.get(), name.c_str(), TINYAI_LAYER_ROLE_FFN);
    return value;
  }
};

TEST(Checkpointing, RecomputingBuysMemoryAndChangesNoBit) {
  const Hourglass net;
  const ModelHandle model = OpenModel(net.path);
  const auto make = [&](TinyAILayerSchedulerConfig config) {
    return LayersHandle(tinyaiCreateLayerScheduler(model.get(), &config), tinyaiFreeLayerScheduler);
  };
  const auto run = [&](const LayersHandle& layers) {
    return LastOutput(layers, Hourglass::kLayers - 1, Hourglass::kWider);
  };
  const LayersHandle plain = make({true, 0.5f, false, 0});
  const std::vector<float> expected = run(plain);
  TinyAIExecutionPlan* plan = tinyaiCreateExecutionPlan(plain.get());
  EXPECT_EQ(tinyaiGetPlanRecomputeOverhead(plan), 0);
  EXPECT_EQ(tinyaiGetPlanActivationMemory(plan), Hourglass::kKept);
  constexpr size_t kLess = Hourglass::kKept - kWidth * sizeof(float);
  const LayersHandle again = make({true, 1, true, kLess});
  plan = tinyaiCreateExecutionPlan(again.get());
  ASSERT_NE(plan, nullptr) << tinyaiGetErrorMessage();
  EXPECT_LE(tinyaiGetPlanActivationMemory(plan), kLess);
  EXPECT_GT(tinyaiGetPlanRecomputeOverhead(plan), 0);
  EXPECT_EQ(run(again), expected);
  const LayersHandle asked = make({true, 0.5f, true, 0});
  ASSERT_TRUE(tinyaiSetLayerCheckpointingStrategy(asked.get(), 0, TINYAI_CHECKPOINT_RECOMPUTE));
  plan = tinyaiCreateExecutionPlan(asked.get());
  EXPECT_LE(tinyaiGetPlanActivationMemory(plan), kLess);
  EXPECT_GT(tinyaiGetPlanRecomputeOverhead(plan), 0);
  EXPECT_EQ(run(asked), expected);
}

// A result that is added again after much wider ones.
struct LateSum {
  static constexpr size_t kSize = 4096, kBytes = kSize * sizeof(float);
  static constexpr int kLayers = 5;
  Handle<TinyAIModelBuilder> builder{tinyaiCreateModelBuilder("late sum"), tinyaiFreeModelBuilder};
  std::vector<float> weights = SomeWeights(kSize, kWidth, 1);
  std::string path = (Scratch().path() / "late_sum.tmai").string();

  LateSum() {
    const size_t shape[] = {kWidth};
    const int x = tinyaiBuilderAddInput(builder.get(), "x", shape, 1);
    const int weight =
        tinyaiBuilderAddWeight(builder.get(), "w", "F32", kSize, kWidth, weights.data());
    const int first = Layer("first", "dense", nullptr, {x}, &weight);
    const int wide = Layer("wide", "concat", "axis=0", {first, first});
    const int wider = Layer("wider", "concat", "axis=0", {wide, wide});
    const int narrow = Layer("narrow", "slice", "axis=0 begin=0 end=4096", {wider});
    Layer("sum", "add", nullptr, {narrow, first});
    EXPECT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
  }
  int Layer(const char* name, const char* kind, const char* attributes,
            const std::vector<int>& operands, const int* weight = nullptr) {
    const int value =
        tinyaiBuilderAddOp(builder.get(), name, kind, attributes, operands.data(),
                           static_cast<int>(operands.size()), weight, weight == nullptr ? 0 : 1);
    EXPECT_GE(value, 0) << tinyaiGetErrorMessage();
    tinyaiBuilderEndLayer(builder.get(), name, TINYAI_LAYER_ROLE_OTHER);
    return value;
  }
};

// Maps that are large beside the weights, so that they are computed in bands where memory is short.
struct Maps {
  static constexpr size_t kSide = 64, kChannels = 16, kPixels = kSide * kSide;
  static constexpr int kLayers = 3;
  Handle<TinyAIModelBuilder> builder{tinyaiCreateModelBuilder("maps"), tinyaiFreeModelBuilder};
  std::vector<float> first = SomeWeights(kChannels, 9, 1),
                     second = SomeWeights(1, kChannels * 9, 2);
  std::string path = (Scratch().path() / "maps.tmai").string();

  Maps() {
    const size_t shape[] = {1, kSide, kSide};
    const int x = tinyaiBuilderAddInput(builder.get(), "x", shape, 3);
    const int wide = Layer("first", "conv", kWindow, x, &first, kChannels);
    const int shaped = Layer("relu", "activation", "function=relu", wide, nullptr, 0);
    Layer("second", "conv", kWindow, shaped, &second, 1);
    EXPECT_TRUE(tinyaiSaveBuiltModel(builder.get(), path.c_str())) << tinyaiGetErrorMessage();
  }
  static constexpr const char* kWindow = "size=3,3 pad_begin=1,1 pad_end=1,1";
  int Layer(const char* name, const char* kind, const char* attributes, int from,
            const std::vector<float>* weights, size_t rows) {
    int weight = -1;
    if (weights != nullptr) {
      weight = tinyaiBuilderAddWeight(builder.get(), name, "F32", rows, weights->size() / rows,
                                      weights->data());
    }
    const int value = tinyaiBuilderAddOp(builder.get(), name, kind, attributes, &from, 1, &weight,
                                         weights != nullptr ? 1 : 0);
    EXPECT_GE(value, 0) << tinyaiGetErrorMessage();
    tinyaiBuilderEndLayer(builder.get(), name, TINYAI_LAYER_ROLE_OTHER);
    return value;
  }
};

// A layer that ran in bands with those behind it has been executed when it is asked for; only its
// output is not there.
TEST(Checkpointing, LayersInBandsAreExecutedOneAfterTheOther) {
  const Maps net;
  const ModelHandle model = OpenModel(net.path);
  const auto make = [&](TinyAILayerSchedulerConfig config) {
    return LayersHandle(tinyaiCreateLayerScheduler(model.get(), &config), tinyaiFreeLayerScheduler);
  };
  const auto run = [&](const LayersHandle& layers) {
    return LastOutput(layers, Maps::kLayers - 1, Maps::kPixels, Maps::kPixels);
  };
  const LayersHandle plain = make({true, 0.5f, false, 0});
  const std::vector<float> expected = run(plain);
  constexpr size_t kWhole = Maps::kChannels * Maps::kPixels * sizeof(float);
  const LayersHandle banded = make({true, 1, true, kWhole / 2});
  ASSERT_NE(tinyaiCreateExecutionPlan(banded.get()), nullptr) << tinyaiGetErrorMessage();
  EXPECT_EQ(run(banded), expected);
  const int shape[] = {static_cast<int>(Maps::kChannels * Maps::kPixels)};
  const Handle<TinyAITensor> output(tinyaiCreateTensor(shape, 1, TINYAI_TENSOR_FLOAT32),
                                    tinyaiFreeTensor);
  EXPECT_TRUE(tinyaiExecuteLayerWithMemoryOptimization(banded.get(), 1, nullptr, nullptr));
  EXPECT_FALSE(tinyaiExecuteLayerWithMemoryOptimization(banded.get(), 1, nullptr, output.get()));
  EXPECT_STREQ(tinyaiGetLastErrorKey(), "OUTPUT_GONE");
}

TEST(Checkpointing, StoringBuysMemoryAndChangesNoBit) {
  const LateSum net;
  const ModelHandle model = OpenModel(net.path);
  const auto make = [&](TinyAILayerSchedulerConfig config) {
    return LayersHandle(tinyaiCreateLayerScheduler(model.get(), &config), tinyaiFreeLayerScheduler);
  };
  const auto run = [&](const LayersHandle& layers) {
    return LastOutput(layers, LateSum::kLayers - 1, LateSum::kSize);
  };
  const LayersHandle plain = make({true, 0.5f, false, 0});
  const std::vector<float> expected = run(plain);
  TinyAIExecutionPlan* plan = tinyaiCreateExecutionPlan(plain.get());
  const size_t kept = tinyaiGetPlanActivationMemory(plan);
  EXPECT_EQ(tinyaiGetPlanDiskSpace(plan), 0u);
  EXPECT_EQ(tinyaiGetPlanDiskWrites(plan), 0u);
  const auto expect_stored = [&](const LayersHandle& layers) {
    plan = tinyaiCreateExecutionPlan(layers.get());
    ASSERT_NE(plan, nullptr) << tinyaiGetErrorMessage();
    EXPECT_LE(tinyaiGetPlanActivationMemory(plan), kept - LateSum::kBytes);
    EXPECT_EQ(tinyaiGetPlanDiskSpace(plan), LateSum::kBytes);
    EXPECT_EQ(tinyaiGetPlanDiskWrites(plan), LateSum::kBytes);
    EXPECT_EQ(tinyaiGetPlanRecomputeOverhead(plan), 0);
    EXPECT_EQ(run(layers), expected);
    EXPECT_EQ(run(layers), expected);
  };
  expect_stored(make({true, 0, false, 0}));         // the least memory
  expect_stored(make({true, 1, false, kept - 1}));  // the limit asks for it
  const LayersHandle asked = make({true, 0.5f, true, 0});
  ASSERT_TRUE(tinyaiSetLayerCheckpointingStrategy(asked.get(), 0, TINYAI_CHECKPOINT_STORE));
  expect_stored(asked);
  EXPECT_EQ(tinyaiGetPlanDiskSpace(nullptr), 0u);
  EXPECT_EQ(tinyaiGetPlanDiskWrites(nullptr), 0u);
}

}  // namespace
}  // namespace tinyai::capi
