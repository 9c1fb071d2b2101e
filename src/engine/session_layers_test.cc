#include "engine/session_layers.h"

#include <cmath>
#include <cstring>

#include "engine/engine_test_support.h"
#include "engine/forward_plan.h"
#include "engine/model_builder.h"
#include "lang/source.h"

namespace tinyai {
namespace {

constexpr uint64_t kWidth = 64, kLayers = 6;

float WeightAt(uint64_t layer, uint64_t index) {
  return static_cast<float>(std::sin(static_cast<double>(1 + index * 7 + layer * 131))) / 8;
}

// Products with a matrix each, one after the other.
std::shared_ptr<const Model> Chain() {
  ModelBuilder builder("chain");
  ValueId x = *builder.AddInput("x", {kWidth});
  for (uint64_t layer = 0; layer < kLayers; ++layer) {
    const std::string name = fmt::format("dense{}", layer);
    const auto fill = [layer](uint64_t offset, std::span<std::byte> out) -> Status {
      for (size_t i = 0; i < out.size(); i += sizeof(float)) {
        const float weight = WeightAt(layer, (offset + i) / sizeof(float));
        std::memcpy(out.data() + i, &weight, sizeof(float));
      }
      return {};
    };
    const WeightId weight = *builder.AddWeight(name + ".w", DType::kF32, kWidth, kWidth, fill);
    x = *builder.AddOp(name, "dense", "", {x}, {weight});
    EXPECT_TRUE(builder.EndLayer(name, LayerRole::kFeedForward));
  }
  const std::string path = (Scratch().path() / "chain.tmai").string();
  const Status saved = builder.Save(path);
  EXPECT_TRUE(saved) << Describe(saved.error());
  return OpenModel(path, {.any_graph = true});
}

std::vector<float> Samples(uint64_t count) {
  std::vector<float> out(count * kWidth);
  for (size_t i = 0; i < out.size(); ++i) out[i] = std::cos(static_cast<float>(i));
  return out;
}

// In double precision.
std::vector<double> Reference(std::span<const float> sample) {
  std::vector<double> x(sample.begin(), sample.end());
  for (uint64_t layer = 0; layer < kLayers; ++layer) {
    std::vector<double> y(kWidth);
    for (uint64_t row = 0; row < kWidth; ++row) {
      for (uint64_t col = 0; col < kWidth; ++col) {
        y[row] += x[col] * static_cast<double>(WeightAt(layer, row * kWidth + col));
      }
    }
    x = std::move(y);
  }
  return x;
}

std::vector<float> RunAll(Session& session, const std::vector<float>& samples) {
  const uint64_t count = samples.size() / kWidth;
  const float* const input = samples.data();
  const Status ran = session.RunSamples(count, {&input, 1});
  EXPECT_TRUE(ran) << Describe(ran.error());
  std::vector<float> out;
  for (uint64_t i = 0; i < count; ++i) {
    const std::span<const float> row = session.Output(0, i);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

TEST(LayerSessions, ComputeWhatTheGraphSaysWithTheSameBitsInEveryMode) {
  const std::shared_ptr<const Model> model = Chain();
  const std::vector<float> samples = Samples(3);
  std::vector<float> first;
  for (const PlanMode mode :
       {PlanMode::kNormal, PlanMode::kMemoryOptimised, PlanMode::kStreaming, PlanMode::kAdaptive}) {
    const std::unique_ptr<Session> session = OpenSession(model, {.batch = 3, .mode = mode});
    ASSERT_NE(session, nullptr);
    for (int pass = 0; pass < 2; ++pass) {
      const std::vector<float> out = RunAll(*session, samples);
      if (first.empty()) first = out;
      EXPECT_EQ(out, first);
    }
    EXPECT_EQ(session->stats().counted_peak_bytes, session->plan().report.predicted_peak_bytes);
  }
  for (uint64_t sample = 0; sample < 3; ++sample) {
    const auto wanted = Reference(std::span(samples).subspan(sample * kWidth, kWidth));
    for (uint64_t i = 0; i < kWidth; ++i) {
      // Sums of 64 products of numbers below 1, six times over, in float.
      EXPECT_NEAR(first[sample * kWidth + i], wanted[i], 1e-4) << sample << ", " << i;
    }
  }
}

TEST(LayerSessions, APassHasAsManySamplesAsItsBatch) {
  const std::shared_ptr<const Model> model = Chain();
  const std::unique_ptr<Session> session = OpenSession(model, {.batch = 2});
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->RunSamples(0, {}).error().key, "BAD_BATCH");
  EXPECT_EQ(session->RunSamples(3, {}).error().key, "BAD_BATCH");
  const std::vector<float> both = RunAll(*session, Samples(2)), one = RunAll(*session, Samples(1));
  EXPECT_EQ(one, std::vector<float>(both.begin(), both.begin() + kWidth));
  for (const SessionOptions& options : {SessionOptions{.context = 8}, SessionOptions{.chunk = 8},
                                        SessionOptions{.batch = kMostBatch + 1}}) {
    const Result<SessionPlan> plan = PlanSession(*model, options, TestMachine());
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().key, "BAD_OPTION");
  }
}

TEST(LayerSessions, TheLargestBatchIsTheLargestThatFits) {
  const std::shared_ptr<const Model> model = Chain();
  SessionOptions options{.batch = 0};
  options.memory_bytes = LeastBudget(*model, {}) + (1 << 20);
  const Result<SessionPlan> plan = PlanSession(*model, options, TestMachine());
  ASSERT_TRUE(plan) << Describe(plan.error());
  const uint64_t most = plan->plan.chunk;
  EXPECT_GT(most, 100u);
  options.batch = most + 1;
  EXPECT_FALSE(PlanSession(*model, options, TestMachine()));
  options.batch = 0;
  options.most_batch = 7;
  EXPECT_EQ(PlanSession(*model, options, TestMachine())->plan.chunk, 7u);
}

TEST(LayerSessions, ASavedPlanIsTheSamePlan) {
  const std::shared_ptr<const Model> model = Chain();
  const Result<SessionPlan> plan =
      PlanSession(*model, {.batch = 2, .mode = PlanMode::kStreaming}, TestMachine());
  ASSERT_TRUE(plan) << Describe(plan.error());
  const std::string text = WriteSessionPlan(*model, *plan);
  const SourceText source("chain.plan", text);
  Diagnostics diagnostics(source);
  Result<SavedPlan> saved = ReadSessionPlan(*model, diagnostics);
  ASSERT_TRUE(saved) << diagnostics.Text();
  const Result<SessionPlan> again =
      AdoptPlan(*model, {.threads = 2}, TestMachine(), *std::move(saved));
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(WriteSessionPlan(*model, *again), text);
  EXPECT_EQ(again->report.predicted_peak_bytes, plan->report.predicted_peak_bytes);
}

TEST(LargestThatFits, IsTheLast) {
  for (uint64_t last = 0; last <= 40; ++last) {
    for (const uint64_t most : {1, 7, 32, 40}) {
      const uint64_t found = LargestThatFits(most, [&](uint64_t n) { return n <= last; });
      EXPECT_EQ(found, std::min(last, most));
    }
  }
}

}  // namespace
}  // namespace tinyai
