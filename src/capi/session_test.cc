#include <tinyai/session.h>

#include <filesystem>
#include <thread>

#include <tinyai/utils/prune.h>
#include <tinyai/utils/quantize_mixed.h>
#include "capi/capi_test_support.h"
#include "nlohmann/json.hpp"

namespace tinyai::capi {
namespace {

using Plan = Handle<TinyAISessionPlan>;
using OpenedSession = Handle<TinyAISession>;
using Tokens = std::vector<int32_t>;
const Tokens kPrompt = {1, 300, 17, 44, 5};

TinyAISessionConfig SmallConfig() {
  TinyAISessionConfig config;
  tinyaiInitSessionConfig(&config);
  config.context = 32;
  config.threads = 1;
  config.prompt_chunk = 2;
  return config;
}

Plan MakePlan(TinyAIModel* model, const TinyAISessionConfig& config = SmallConfig()) {
  TinyAISessionPlan* plan = tinyaiPlanSession(model, &config);
  EXPECT_NE(plan, nullptr) << tinyaiGetErrorMessage();
  return {plan, tinyaiFreeSessionPlan};
}

OpenedSession OpenSession(TinyAIModel* model, const TinyAISessionConfig& config = SmallConfig()) {
  TinyAISession* session = tinyaiOpenSession(MakePlan(model, config).get());
  EXPECT_NE(session, nullptr) << tinyaiGetErrorMessage();
  return {session, tinyaiCloseSession};
}

Tokens TokensOf(TinyAISession* session) {
  Tokens tokens(64);
  const int64_t count = tinyaiGetSessionTokens(session, tokens.data(), tokens.size());
  EXPECT_GE(count, 0);
  tokens.resize(static_cast<size_t>(count));
  return tokens;
}

TinyAIGenerated Generate(TinyAISession* session, int tokens, TinyAITokenFunction function = nullptr,
                         void* data = nullptr) {
  TinyAITextSettings settings;
  tinyaiInitTextSettings(&settings);
  settings.max_new_tokens = tokens;
  TinyAIGenerated out = {};
  EXPECT_TRUE(tinyaiGenerate(session, &settings, function, data, &out)) << tinyaiGetErrorMessage();
  return out;
}

TinyAIPlanReport ReportOf(const Plan& plan) {
  TinyAIPlanReport report = {};
  EXPECT_TRUE(tinyaiGetSessionPlanReport(plan.get(), &report));
  return report;
}

TEST(SessionPlan, SaysWhatASessionWillTake) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const Plan plan = MakePlan(model.get());
  const TinyAIPlanReport report = ReportOf(plan);
  EXPECT_GT(report.predicted_peak_bytes, report.arena_bytes);
  EXPECT_LE(report.least_budget_bytes, report.predicted_peak_bytes);
  EXPECT_LE(report.predicted_peak_bytes, report.budget_bytes);
  EXPECT_EQ(report.context, 32u);
  EXPECT_EQ(report.prompt_chunk, 2u);
  EXPECT_EQ(report.threads, 1);
  EXPECT_GT(report.tokens_per_second, 0);
  EXPECT_EQ(report.streamed_bytes, 0u);  // everything fits
  std::vector<TinyAIMemoryComponent> parts(64);
  const int count = tinyaiGetSessionPlanComponents(plan.get(), parts.data(), 64);
  size_t sum = 0;
  for (int i = 0; i < count; ++i) sum += parts[static_cast<size_t>(i)].bytes;
  EXPECT_EQ(sum, report.predicted_peak_bytes);
  EXPECT_STREQ(parts[0].name, "program");
  EXPECT_EQ(tinyaiGetSessionPlanComponents(plan.get(), nullptr, 0), count);

  const OpenedSession session(tinyaiOpenSession(plan.get()), tinyaiCloseSession);
  ASSERT_NE(session, nullptr);
  ASSERT_TRUE(tinyaiAddSessionTokens(session.get(), kPrompt.data(), kPrompt.size()));
  Generate(session.get(), 4);
  TinyAISessionStats stats = {};
  ASSERT_TRUE(tinyaiGetSessionStats(session.get(), &stats));
  EXPECT_EQ(stats.counted_peak_bytes, report.predicted_peak_bytes);
  EXPECT_EQ(stats.text_tokens, 9u);
  EXPECT_EQ(stats.passes, 6u);  // three chunks of the prompt, and three tokens
  // What the plan said stays there; its steps are the session's.
  EXPECT_EQ(ReportOf(plan).arena_bytes, report.arena_bytes);
  EXPECT_EQ(tinyaiGetSessionPlanText(plan.get()), nullptr);
  EXPECT_EQ(LastKey(), "PLAN_TAKEN");
  EXPECT_EQ(tinyaiOpenSession(plan.get()), nullptr);
  EXPECT_EQ(LastKey(), "PLAN_TAKEN");
}

TEST(SessionPlan, IsTextThatIsReadBack) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const Plan plan = MakePlan(model.get());
  const std::string text = tinyaiGetSessionPlanText(plan.get());
  EXPECT_NE(text.find("plan"), std::string::npos);
  TinyAISessionConfig config;
  tinyaiInitSessionConfig(&config);
  const Plan again(tinyaiReadSessionPlan(model.get(), &config, text.c_str()),
                   tinyaiFreeSessionPlan);
  ASSERT_NE(again, nullptr) << tinyaiGetErrorMessage();
  EXPECT_EQ(tinyaiGetSessionPlanText(again.get()), text);
  EXPECT_EQ(ReportOf(again).context, 32u);
  // A schedule fixes a part, here the memory.
  const size_t budget = ReportOf(again).predicted_peak_bytes + (1 << 20);
  const std::string schedule = fmt::format("budget RAM <= {};", budget);
  const Plan bounded(tinyaiReadSessionPlan(model.get(), &config, schedule.c_str()),
                     tinyaiFreeSessionPlan);
  ASSERT_NE(bounded, nullptr) << tinyaiGetErrorMessage();
  EXPECT_EQ(ReportOf(bounded).budget_bytes, budget);
  EXPECT_EQ(tinyaiReadSessionPlan(model.get(), &config, "no plan"), nullptr);
  EXPECT_EQ(LastKey(), "SCHEDULE_SYNTAX");
}

TEST(SessionPlan, IsSimulatedWithOtherRates) {
  const ModelHandle model = OpenModel(MakeTextModel());
  TinyAISessionConfig config = SmallConfig();
  config.mode = TINYAI_EXEC_STREAMING;
  const Plan plan = MakePlan(model.get(), config);
  const TinyAIPlanReport report = ReportOf(plan);
  ASSERT_GT(report.streamed_bytes, 0u);
  TinyAIRates rates = {};
  ASSERT_TRUE(tinyaiGetSessionPlanRates(plan.get(), &rates));
  TinyAIPlanReport same = {}, slow = {};
  ASSERT_TRUE(tinyaiSimulateSessionPlan(plan.get(), &rates, &same));
  EXPECT_DOUBLE_EQ(same.tokens_per_second, report.tokens_per_second);
  rates.disk_bytes_per_second /= 100;
  ASSERT_TRUE(tinyaiSimulateSessionPlan(plan.get(), &rates, &slow));
  EXPECT_LT(slow.tokens_per_second, same.tokens_per_second / 2);
  EXPECT_GT(slow.stall_seconds, same.stall_seconds);
  EXPECT_EQ(slow.predicted_peak_bytes, same.predicted_peak_bytes);
  rates.disk_bytes_per_second = 0;
  EXPECT_FALSE(tinyaiSimulateSessionPlan(plan.get(), &rates, &slow));
  EXPECT_EQ(LastKey(), "ARG_VALUE");
}

TEST(SessionPlan, RefusesWhatCannotWork) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const auto fails = [&](const TinyAISessionConfig& config, std::string_view key) {
    EXPECT_EQ(tinyaiPlanSession(model.get(), &config), nullptr);
    EXPECT_EQ(LastKey(), key);
  };
  TinyAISessionConfig config = SmallConfig();
  config.memory_bytes = 1 << 20;
  fails(config, "BUDGET_INFEASIBLE");
  config = SmallConfig();
  config.threads = -1;
  fails(config, "ARG_VALUE");
  config = SmallConfig();
  config.mode = static_cast<TinyAIExecutionMode>(7);
  fails(config, "ARG_VALUE");
  config = SmallConfig();
  config.speed = 2;
  fails(config, "BAD_OPTION");
  const ModelHandle graph = OpenModel([] {
    DenseModel dense;
    dense.Dense(dense.input());
    return dense.Save();
  }());
  EXPECT_EQ(tinyaiPlanSession(graph.get(), nullptr), nullptr);
  EXPECT_EQ(LastKey(), "NO_TEXT_MODEL");
  EXPECT_EQ(tinyaiTokenize(graph.get(), "a", true, false, nullptr, 0), -1);
  EXPECT_EQ(LastKey(), "NO_TEXT_MODEL");
}

TEST(Session, GoesOnFromItsTextAndFromSnapshots) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const OpenedSession session = OpenSession(model.get());
  ASSERT_TRUE(tinyaiAddSessionTokens(session.get(), kPrompt.data(), kPrompt.size()));
  const TinyAIGenerated first = Generate(session.get(), 3);
  EXPECT_EQ(first.reason, TINYAI_STOP_LENGTH);
  EXPECT_EQ(first.tokens, 3u);
  EXPECT_EQ(first.computed_tokens, 5u);
  const Tokens snapshot = TokensOf(session.get());
  EXPECT_EQ(snapshot.size(), 8u);
  Generate(session.get(), 4);
  const Tokens expected = TokensOf(session.get());
  const OpenedSession other = OpenSession(model.get());
  for (TinyAISession* in : {session.get(), other.get()}) {
    ASSERT_TRUE(tinyaiRestoreSession(in, snapshot.data(), snapshot.size()));
    const TinyAIGenerated again = Generate(in, 4);
    EXPECT_EQ(again.computed_tokens, in == session.get() ? 1u : 8u);
    EXPECT_EQ(TokensOf(in), expected);
  }
  EXPECT_TRUE(tinyaiRestoreSession(session.get(), nullptr, 0));
  EXPECT_EQ(TokensOf(session.get()), Tokens());
  const Tokens wrong = {512};
  EXPECT_FALSE(tinyaiAddSessionTokens(session.get(), wrong.data(), 1));
  EXPECT_EQ(LastKey(), "BAD_TOKEN");
}

TEST(Session, TellsEachTokenAndStopsWhenAsked) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const OpenedSession session = OpenSession(model.get());
  ASSERT_TRUE(tinyaiAddSessionText(session.get(), "ab", false));
  Tokens heard;
  const auto until_two = [](void* data, int32_t token, const char* text) {
    EXPECT_NE(text, nullptr);
    if (token >= 0) static_cast<Tokens*>(data)->push_back(token);
    return static_cast<Tokens*>(data)->size() < 2;
  };
  EXPECT_EQ(Generate(session.get(), 8, until_two, &heard).reason, TINYAI_STOP_CALLER);
  ASSERT_EQ(heard.size(), 2u);
  const Tokens all = TokensOf(session.get());
  EXPECT_TRUE(std::equal(heard.begin(), heard.end(), all.end() - 2));
  const auto stop = [](void* data, int32_t, const char*) {
    std::thread(tinyaiStopSession, static_cast<TinyAISession*>(data)).join();
    return true;
  };
  const TinyAIGenerated stopped = Generate(session.get(), 8, stop, session.get());
  EXPECT_EQ(stopped.reason, TINYAI_STOP_CALLER);
  EXPECT_EQ(stopped.tokens, 1u);
  tinyaiStopSession(session.get());
  EXPECT_EQ(Generate(session.get(), 2).tokens, 0u);
  tinyaiStopSession(session.get());
  tinyaiResumeSession(session.get());
  EXPECT_EQ(Generate(session.get(), 2).tokens, 2u);
}

TEST(Session, ComputesWithWhatWasMadeOfTheWeights) {
  const ModelHandle model = OpenModel(MakeTextModel());
  const OpenedSession own = OpenSession(model.get());
  TinyAIMixedPrecisionConfig precision;
  tinyaiInitMixedPrecisionConfig(&precision);
  precision.attentionPrecision = precision.ffnPrecision = TINYAI_PREC_INT4;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &precision)) << tinyaiGetErrorMessage();
  const OpenedSession small = OpenSession(model.get());
  TinyAISessionStats before = {}, after = {};
  std::vector<Tokens> texts;
  for (TinyAISession* session : {own.get(), small.get()}) {
    ASSERT_TRUE(tinyaiAddSessionTokens(session, kPrompt.data(), kPrompt.size()));
    Generate(session, 20);
    texts.push_back(TokensOf(session));
  }
  ASSERT_TRUE(tinyaiGetSessionStats(own.get(), &before));
  ASSERT_TRUE(tinyaiGetSessionStats(small.get(), &after));
  EXPECT_LT(after.resident_bytes, before.resident_bytes);
  EXPECT_NE(texts[0], texts[1]);
}

TEST(Session, OfASavedModelWritesWhatTheTransformedOneDoes) {
  const std::string path = MakeTextModel();
  const ModelHandle model = OpenModel(path);
  TinyAIMixedPrecisionConfig precision;
  tinyaiInitMixedPrecisionConfig(&precision);
  precision.embeddingPrecision = TINYAI_PREC_INT8;
  precision.attentionPrecision = precision.ffnPrecision = TINYAI_PREC_INT4;
  ASSERT_TRUE(tinyaiApplyMixedPrecision(model.get(), &precision)) << tinyaiGetErrorMessage();
  const std::string dense_path = path + ".dense.tmai";
  ASSERT_TRUE(tinyaiSaveModel(model.get(), dense_path.c_str())) << tinyaiGetErrorMessage();
  TinyAIPruneConfig pruning;
  tinyaiInitPruneConfig(&pruning);
  pruning.sparsity = 0.9f;
  ASSERT_TRUE(tinyaiPruneModel(model.get(), &pruning)) << tinyaiGetErrorMessage();
  const std::string saved_path = path + ".saved.tmai";
  EXPECT_FALSE(tinyaiSaveModel(model.get(), path.c_str()));
  EXPECT_EQ(LastKey(), "OUTPUT_IS_INPUT");
  ASSERT_TRUE(tinyaiSaveModel(model.get(), saved_path.c_str())) << tinyaiGetErrorMessage();
  EXPECT_LT(std::filesystem::file_size(saved_path), std::filesystem::file_size(path) / 2);
  const ModelHandle saved = OpenModel(saved_path);
  std::vector<Tokens> texts;
  for (TinyAIModel* of : {model.get(), saved.get()}) {
    const OpenedSession session = OpenSession(of);
    ASSERT_TRUE(tinyaiAddSessionText(session.get(), "ab", false));
    Generate(session.get(), 20);
    texts.push_back(TokensOf(session.get()));
  }
  EXPECT_EQ(texts[0], texts[1]);
  EXPECT_STREQ(tinyaiGetLayerFormat(saved.get(), 1), "Q4_0");
  // What is pruned is stored without its zeros in the file too, and can be made anything else
  // again.
  const ModelHandle dense = OpenModel(dense_path);
  for (int layer = 1; layer <= 4; ++layer) {
    EXPECT_LT(tinyaiGetLayerDescriptor(saved.get(), layer)->size,
              tinyaiGetLayerDescriptor(dense.get(), layer)->size);
  }
  const TinyAIMixedPrecisionConfig half = {TINYAI_PREC_FP16, TINYAI_PREC_FP16, TINYAI_PREC_FP16,
                                           TINYAI_PREC_FP16, TINYAI_PREC_FP16, TINYAI_PREC_FP16,
                                           TINYAI_PREC_FP16};
  const ModelHandle again = OpenModel(saved_path);
  ASSERT_TRUE(tinyaiApplyMixedPrecision(again.get(), &half)) << tinyaiGetErrorMessage();
  EXPECT_GT(tinyaiGetLayerDescriptor(again.get(), 1)->size,
            3 * tinyaiGetLayerDescriptor(saved.get(), 1)->size);
  // Without anything made it is a copy, of a .tmai file too.
  ASSERT_TRUE(tinyaiSaveModel(saved.get(), (path + ".copy.tmai").c_str()))
      << tinyaiGetErrorMessage();
  EXPECT_EQ(std::filesystem::file_size(path + ".copy.tmai"),
            std::filesystem::file_size(saved_path));
  // The files that it was opened from may be gone, tokenizer and all.
  std::filesystem::remove(path);
  const std::string late_path = path + ".late.tmai";
  ASSERT_TRUE(tinyaiSaveModel(model.get(), late_path.c_str())) << tinyaiGetErrorMessage();
  const ModelHandle late = OpenModel(late_path);
  const OpenedSession session = OpenSession(late.get());
  ASSERT_TRUE(tinyaiAddSessionText(session.get(), "ab", false)) << tinyaiGetErrorMessage();
  Generate(session.get(), 20);
  EXPECT_EQ(TokensOf(session.get()), texts[0]);
}

TEST(Session, WritesATraceOfItsPassesAndEnds) {
  const ModelHandle model = OpenModel(MakeTextModel());
  TinyAISessionConfig config = SmallConfig();
  const std::string path = (Scratch().path() / "session.json").string();
  const OpenedSession without = OpenSession(model.get(), config);
  EXPECT_FALSE(tinyaiWriteSessionTrace(without.get(), path.c_str()));
  EXPECT_EQ(LastKey(), "NO_TRACE");
  config.trace_bytes = 1 << 20;
  const OpenedSession session = OpenSession(model.get(), config);
  ASSERT_TRUE(tinyaiAddSessionTokens(session.get(), kPrompt.data(), kPrompt.size()));
  Generate(session.get(), 2);
  ASSERT_TRUE(tinyaiWriteSessionTrace(session.get(), path.c_str())) << tinyaiGetErrorMessage();
  std::ifstream file(path);
  const nlohmann::json trace = nlohmann::json::parse(file);
  size_t spans = 0, lanes = 0;
  for (const auto& event : trace["traceEvents"]) {
    spans += event["ph"] == "X";
    lanes += event["ph"] == "M" && event["name"] == "thread_name";
  }
  EXPECT_EQ(lanes, 3u);  // CPU, DISK, DISK.rows
  EXPECT_GT(spans, 4 * 10u);
  EXPECT_FALSE(tinyaiAddSessionText(session.get(), "a", false));
  EXPECT_EQ(LastKey(), "SESSION_ENDED");
}

TEST(Session, OutlivesItsModelAndItsPlan) {
  ModelHandle model = OpenModel(MakeTextModel());
  const OpenedSession session = OpenSession(model.get());
  model.reset();
  ASSERT_TRUE(tinyaiAddSessionText(session.get(), "ab", false));
  EXPECT_EQ(Generate(session.get(), 2).tokens, 2u);
}

TEST(Tokens, AreThoseOfTheTextAndBack) {
  const ModelHandle model = OpenModel(MakeTextModel());
  Tokens tokens(16);
  const int64_t count = tinyaiTokenize(model.get(), "abc", false, false, tokens.data(), 16);
  ASSERT_GT(count, 0);
  EXPECT_EQ(tinyaiTokenize(model.get(), "abc", true, false, nullptr, 0), count + 1);
  char text[16] = "";
  EXPECT_EQ(tinyaiDetokenize(model.get(), tokens.data(), static_cast<size_t>(count), text, 16), 3);
  EXPECT_STREQ(text, "abc");
  EXPECT_EQ(tinyaiDetokenize(model.get(), tokens.data(), static_cast<size_t>(count), text, 3), 3);
  EXPECT_STREQ(text, "ab");
}

TEST(ForwardScheduler, TakesTheModelsOwnWiringAndWritesATrace) {
  DenseModel dense;
  const int first = dense.Dense(dense.input());
  const int second = dense.Dense(first);
  dense.Add(first, second);
  const ModelHandle model = OpenModel(dense.Save());
  const Handle<TinyAIForwardScheduler> scheduler(
      tinyaiCreateForwardScheduler(model.get(), TINYAI_EXEC_MEMORY_OPT, 0),
      tinyaiDestroyForwardScheduler);
  const std::string path = (Scratch().path() / "pass.json").string();
  EXPECT_FALSE(tinyaiWriteSchedulerTrace(scheduler.get(), path.c_str()));
  EXPECT_EQ(LastKey(), "NOT_PREPARED");
  ASSERT_TRUE(tinyaiAddModelToSchedule(scheduler.get()));
  ASSERT_TRUE(tinyaiSetSchedulerTrace(scheduler.get(), 1 << 16));
  ASSERT_TRUE(tinyaiPrepareForwardPass(scheduler.get())) << tinyaiGetErrorMessage();
  int reads[2] = {};
  EXPECT_EQ(tinyaiGetLayerDependencies(scheduler.get(), 2, reads, nullptr, 2), 2);
  EXPECT_EQ(reads[0] + reads[1], 1);
  ASSERT_EQ(tinyaiGetSchedulerInputSize(scheduler.get()), 64 * sizeof(float));
  ASSERT_EQ(tinyaiGetSchedulerOutputSize(scheduler.get()), 64 * sizeof(float));
  std::vector<float> input(64), output(64);
  for (size_t i = 0; i < 64; ++i) input[i] = 1 - static_cast<float>(i) / 32;
  int layer = -1;
  while (tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), &layer)) {
  }
  ASSERT_EQ(layer, -1) << tinyaiGetErrorMessage();
  const std::vector<double> x(input.begin(), input.end());
  const std::vector<double> a = dense.Apply(0, x), b = dense.Apply(1, a);
  for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(output[i], a[i] + b[i], 1e-5);
  ASSERT_TRUE(tinyaiWriteSchedulerTrace(scheduler.get(), path.c_str())) << tinyaiGetErrorMessage();
  std::ifstream file(path);
  const nlohmann::json trace = nlohmann::json::parse(file);
  size_t dense_spans = 0;
  for (const auto& event : trace["traceEvents"]) {
    dense_spans += event["ph"] == "X" && event["name"].get<std::string>().find("dense") == 0;
  }
  EXPECT_GE(dense_spans, 2u);
  EXPECT_FALSE(tinyaiExecuteNextLayer(scheduler.get(), input.data(), output.data(), &layer));
  EXPECT_EQ(LastKey(), "NOT_PREPARED");
}

}  // namespace
}  // namespace tinyai::capi
