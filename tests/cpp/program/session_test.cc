#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "test_support.h"

namespace {

using tinyai::Plan;
using tinyai::PlanReport;
using tinyai::Session;

constexpr tinyai::PlanOptions kSmall = {.context = 128, .threads = 1, .prompt_chunk = 4};

Session OpenSession(const tinyai::PlanOptions& options = kSmall) {
  return Session::Open(Plan::Make(OpenText(), options).value()).value();
}

TEST(Plan, SaysWhatASessionTakes) {
  Plan plan = Plan::Make(OpenText(), kSmall).value();
  const PlanReport report = plan.report();
  EXPECT_EQ(report.context, 128u);
  EXPECT_GT(report.tokens_per_second, 0);
  std::size_t sum = 0;
  for (const tinyai::MemoryComponent& part : plan.components()) {
    EXPECT_FALSE(part.name.empty());
    sum += part.bytes;
  }
  EXPECT_EQ(sum, report.predicted_peak_bytes);
  Session session = Session::Open(std::move(plan)).value();
  session.Add("Once upon a time").value();
  session.Generate({.most_tokens = 8}).value();
  const tinyai::SessionStats stats = session.stats();
  EXPECT_EQ(stats.counted_peak_bytes, report.predicted_peak_bytes);
  EXPECT_EQ(stats.resident_bytes, report.resident_bytes);
}

TEST(Plan, IsTextThatIsReadBackAndChanged) {
  const tinyai::Model model = OpenText();
  const std::string text = Plan::Make(model, kSmall)->text();
  EXPECT_NE(text, "");
  EXPECT_EQ(Plan::Read(model, text)->text(), text);
  const auto damaged = Plan::Read(model, text.substr(0, text.size() / 2));
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, TINYAI_ERROR_SCHEDULE);
  const Plan lean = Plan::Make(model, {.context = 128, .mode = tinyai::Mode::kStreaming}).value();
  EXPECT_LT(lean.report().arena_bytes, Plan::Make(model, kSmall)->report().arena_bytes);
}

TEST(Plan, IsSimulatedOnAnotherMachine) {
  const Plan plan =
      Plan::Make(OpenText(), {.context = 128, .mode = tinyai::Mode::kStreaming}).value();
  tinyai::Rates rates = plan.rates();
  EXPECT_DOUBLE_EQ(plan.Simulate(rates)->tokens_per_second, plan.report().tokens_per_second);
  rates.disk_bytes_per_second /= 1000;
  EXPECT_LT(plan.Simulate(rates)->tokens_per_second, plan.report().tokens_per_second / 10);
  rates.disk_bytes_per_second = -1;
  EXPECT_EQ(plan.Simulate(rates).error().key, "ARG_VALUE");
}

TEST(Plan, ThatCannotWorkIsAnErrorBeforehand) {
  const auto plan = Plan::Make(OpenText(), {.memory_bytes = 1 << 20});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().key, "BUDGET_INFEASIBLE");
  EXPECT_EQ(plan.error().code, TINYAI_ERROR_BUDGET);
}

TEST(Session, GoesOnWithATextInWholeCharacters) {
  Session session = OpenSession();
  session.Add("Once upon a time").value();
  std::string heard;
  const tinyai::Generated made = session
                                     .Generate({.most_tokens = 20},
                                               [&](std::int32_t, std::string_view text) {
                                                 heard += text;
                                                 return true;
                                               })
                                     .value();
  EXPECT_EQ(made.reason, tinyai::StopReason::kLength);
  EXPECT_EQ(made.tokens, 20u);
  EXPECT_GT(made.text.size(), 20u);
  EXPECT_EQ(made.text, heard);
  EXPECT_GT(made.computed_tokens, 1u);
  // Turn by turn it is the same text.
  Session turns = OpenSession({.context = 128, .mode = tinyai::Mode::kStreaming});
  turns.Add("Once upon a time").value();
  std::string text;
  for (int i = 0; i < 4; ++i) text += turns.Generate({.most_tokens = 5}).value().text;
  EXPECT_EQ(text, made.text);
  EXPECT_EQ(turns.snapshot().tokens, session.snapshot().tokens);
}

TEST(Session, GoesBackToASnapshot) {
  Session session = OpenSession();
  session.Add("Once upon a time").value();
  session.Generate({.most_tokens = 4}).value();
  const tinyai::Snapshot snapshot = session.snapshot();
  const std::string first = session.Generate({.most_tokens = 6}).value().text;
  session.Restore(snapshot).value();
  const tinyai::Generated again = session.Generate({.most_tokens = 6}).value();
  EXPECT_EQ(again.text, first);
  EXPECT_EQ(again.computed_tokens, 1u);
  Session other = OpenSession();
  other.Restore(snapshot).value();
  EXPECT_EQ(other.Generate({.most_tokens = 6}).value().text, first);
  session.Restore({}).value();
  EXPECT_EQ(session.stats().text_tokens, 0u);
  const std::vector<std::int32_t> wrong = {-1};
  EXPECT_EQ(session.Add(wrong).error().key, "BAD_TOKEN");
}

TEST(Session, EndsWhereItsCallerSays) {
  Session session = OpenSession();
  session.Add("Once upon a time").value();
  int heard = 0;
  const auto three = [&](std::int32_t, std::string_view) { return ++heard < 3; };
  const tinyai::Generated made = session.Generate({}, three).value();
  EXPECT_EQ(made.reason, tinyai::StopReason::kCaller);
  EXPECT_EQ(made.tokens, 3u);
  // Before it begins, and from another thread between two tokens; then it goes on.
  std::stop_source before;
  before.request_stop();
  EXPECT_EQ(session.Generate({}, {}, before.get_token()).value().tokens, 0u);
  std::stop_source between;
  const auto stop = [&](std::int32_t, std::string_view) {
    std::thread([&] { between.request_stop(); }).join();
    return true;
  };
  const tinyai::Generated stopped = session.Generate({}, stop, between.get_token()).value();
  EXPECT_EQ(stopped.reason, tinyai::StopReason::kCaller);
  EXPECT_EQ(stopped.tokens, 1u);
  EXPECT_EQ(session.Generate({.most_tokens = 2}).value().tokens, 2u);
}

TEST(Session, LetsThroughWhatACallbackThrows) {
  Session session = OpenSession();
  session.Add("Once upon a time").value();
  const auto thrower = [](std::int32_t, std::string_view) -> bool {
    throw std::runtime_error("enough");
  };
  EXPECT_THROW((void)session.Generate({}, thrower), std::runtime_error);
  EXPECT_EQ(session.Generate({.most_tokens = 2}).value().tokens, 2u);
}

TEST(Session, TakesSettings) {
  const auto generate = [](const tinyai::GenerateOptions& options) {
    Session session = OpenSession();
    session.Add("Once upon a time").value();
    return session.Generate(options).value().text;
  };
  const tinyai::GenerateOptions warm = {.most_tokens = 16, .temperature = 1, .seed = 3};
  tinyai::GenerateOptions other = warm;
  other.seed = 4;
  EXPECT_EQ(generate(warm), generate(warm));
  EXPECT_NE(generate(warm), generate(other));
  Session session = OpenSession();
  session.Add("a").value();
  EXPECT_EQ(session.Generate({.temperature = -1}).error().key, "BAD_OPTION");
}

TEST(Session, WritesATrace) {
  tinyai::PlanOptions options = kSmall;
  options.trace_bytes = 1 << 20;
  Session session = OpenSession(options);
  session.Add("Once upon a time").value();
  session.Generate({.most_tokens = 2}).value();
  const std::string path = FilePath("session.json");
  std::move(session).WriteTrace(path).value();
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_NE(text.find("traceEvents"), std::string::npos);
  EXPECT_EQ(OpenSession().snapshot().tokens.size(), 0u);
  EXPECT_EQ(OpenSession().Restore({.tokens = std::vector<std::int32_t>(500, 1)}).error().key,
            "CONTEXT_FULL");
}

}  // namespace
