#include <algorithm>
#include <chrono>
#include <optional>
#include <span>

#include "base/units.h"
#include "command.h"
#include "engine/session.h"
#include "fmt/format.h"
#include "json.h"
#include "kernel/isa.h"
#include "plan_source.h"
#include "plan_view.h"
#include "session_flags.h"
#include "stop_watcher.h"

namespace tinyai {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostTokens = 1 << 20;
constexpr int64_t kMostRepetitions = 1000;

double Seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// One timed run of a test.
struct Sample {
  double seconds = 0;
  double stall_seconds = 0;
  uint64_t read_bytes = 0;
};

// A prompt in chunks, one token after the other, or passes of a layer graph.
enum class Kind { kPrompt, kGeneration, kPasses };

struct Test {
  std::string name;  // "pp512", "tg128"; "pass10"
  Kind kind;
  uint64_t tokens = 0;   // or passes
  double predicted = 0;  // tokens per second; 0: not predicted
  std::vector<Sample> samples = {};

  double tokens_per_second(const Sample& sample) const {
    return static_cast<double>(tokens) / sample.seconds;
  }
  // The sample whose time is in the middle.
  Sample Median() const {
    std::vector<Sample> sorted = samples;
    std::sort(sorted.begin(), sorted.end(),
              [](const Sample& a, const Sample& b) { return a.seconds < b.seconds; });
    return sorted[sorted.size() / 2];
  }
};

std::string Rate(double value) {
  return value == 0 ? "-"
                    : fmt::format("{:.{}f}", value,
                                  value >= 99.95   ? 0
                                  : value >= 9.995 ? 1
                                                   : 2);
}

std::string Header(const PassWords& words) {
  return fmt::format("{:10} {:>10} {:>11} {:>12} {:>11} {:>8}\n", "test",
                     fmt::format("{}/s", words.many), "predicted",
                     fmt::format("read/{}", words.one), "disk/s", "waited");
}

std::string Row(const Test& test) {
  const Sample median = test.Median();
  const double per_token =
      static_cast<double>(median.read_bytes) / static_cast<double>(test.tokens);
  const double per_second = static_cast<double>(median.read_bytes) / median.seconds;
  return fmt::format("{:10} {:>10} {:>11} {:>12} {:>11} {:>6.0f} %\n", test.name,
                     Rate(test.tokens_per_second(median)), Rate(test.predicted),
                     FormatByteSize(static_cast<uint64_t>(per_token)),
                     FormatByteSize(static_cast<uint64_t>(per_second)),
                     100 * median.stall_seconds / median.seconds);
}

Json ToJson(const Test& test, const PassWords& words) {
  const Sample median = test.Median();
  const std::string per_second = fmt::format("{}_per_second", words.many);
  Json out;
  out["test"] = test.name;
  out[words.many] = test.tokens;
  out[per_second] = test.tokens_per_second(median);
  Json& all = out["all_" + per_second] = Json::array();
  for (const Sample& sample : test.samples) all.push_back(test.tokens_per_second(sample));
  out["predicted_" + per_second] = test.predicted == 0 ? Json() : Json(test.predicted);
  out[fmt::format("read_bytes_per_{}", words.one)] =
      static_cast<double>(median.read_bytes) / static_cast<double>(test.tokens);
  out["disk_bytes_per_second"] = static_cast<double>(median.read_bytes) / median.seconds;
  out["stall_share"] = median.stall_seconds / median.seconds;
  return out;
}

// Tokens that are no text but exist.
std::vector<TokenId> SomeTokens(uint64_t count, uint64_t vocabulary) {
  std::vector<TokenId> tokens(count);
  uint64_t state = 1;
  for (TokenId& token : tokens) {
    state = state * 6364136223846793005 + 1442695040888963407;
    token = static_cast<TokenId>((state >> 33) % vocabulary);
  }
  return tokens;
}

// Numbers that are no image but like those of one, for a pass over a whole batch.
class SomeSamples {
 public:
  explicit SomeSamples(const Session& session) {
    const Graph& graph = session.graph();
    uint64_t state = 1;
    for (const ValueId id : graph.inputs) {
      std::vector<float>& numbers =
          inputs_.emplace_back(graph.value(id).width * session.plan().plan.chunk);
      for (float& number : numbers) {
        state = state * 6364136223846793005 + 1442695040888963407;
        number = static_cast<float>(state >> 40) * 0x1p-23F - 1;
      }
      pointers_.push_back(numbers.data());
    }
  }
  std::span<const float* const> pointers() const { return pointers_; }

 private:
  std::vector<std::vector<float>> inputs_;
  std::vector<const float*> pointers_;
};

// `tinyai bench`: how fast a model runs in a budget.
class BenchCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Integer("-p,--n-prompt", "tokens of the prompt test; 0: none (512)", &prompt_, 0,
                  kMostTokens);
    flags.Integer("-n,--n-gen",
                  "tokens of the generation test; 0: none (128); of a layer graph: passes of the "
                  "test (as many as take a second)",
                  &generated_, 0, kMostTokens);
    flags.Integer("-r,--repetitions", "of each test; the median counts (3)", &repetitions_, 1,
                  kMostRepetitions);
    session_.AddTo(flags);
    plan_source_.AddTo(flags, true);
  }
  Result<int> Run(Console& console) override;

 private:
  std::vector<Test> ChooseTests(const Model& model, SessionOptions& options) const;
  Status Measure(Session& session, Test& test, Console& console) const;
  Result<std::vector<Test>> PassTests(Session& session);
  Status Compute(Session& session, const Test& test) const;
  Result<Sample> Once(Session& session, const Test& test) const;
  std::string Heading(const Session& session) const;
  static Json Answer(const Session& session, const std::vector<Test>& tests);

  SessionFlags session_;
  PlanSource plan_source_{session_};
  std::optional<int64_t> prompt_, generated_;
  int64_t repetitions_ = 3;
  std::optional<SomeSamples> samples_;  // of a layer graph
};

// What was asked for, or as much of the usual sizes as the model's context has room for. A context
// that nobody asked for is just large enough.
std::vector<Test> BenchCommand::ChooseTests(const Model& model, SessionOptions& options) const {
  const auto room = static_cast<int64_t>(
      options.context != 0 ? options.context : std::min(model.graph().context, kDefaultContext));
  const int64_t prompt = prompt_.value_or(std::min<int64_t>(512, room));
  const int64_t generated = generated_.value_or(std::min<int64_t>(128, room));
  if (options.context == 0) {
    options.context = static_cast<uint64_t>(std::max<int64_t>({prompt, generated, 1}));
  }
  std::vector<Test> tests;
  if (prompt > 0) {
    tests.push_back({fmt::format("pp{}", prompt), Kind::kPrompt, static_cast<uint64_t>(prompt)});
  }
  if (generated > 0) {
    tests.push_back(
        {fmt::format("tg{}", generated), Kind::kGeneration, static_cast<uint64_t>(generated)});
  }
  return tests;
}

// Of a layer graph, once its weights are there: as many passes as were asked for, or as take about
// a second.
Result<std::vector<Test>> BenchCommand::PassTests(Session& session) {
  constexpr double kSeconds = 1;
  constexpr int64_t kMostPasses = 128;
  TRY_ASSIGN(const Sample one, Once(session, {.name = "one", .kind = Kind::kPasses, .tokens = 1}));
  const auto enough = static_cast<int64_t>(std::min(kSeconds / one.seconds, 1e6));
  const int64_t passes = generated_.value_or(std::clamp<int64_t>(enough, 1, kMostPasses));
  if (passes == 0) return std::vector<Test>();
  return std::vector<Test>{
      {fmt::format("pass{}", passes), Kind::kPasses, static_cast<uint64_t>(passes)}};
}

Status BenchCommand::Compute(Session& session, const Test& test) const {
  if (test.kind == Kind::kPasses) {
    for (uint64_t i = 0; i < test.tokens; ++i) {
      TRY(session.RunSamples(session.plan().plan.chunk, samples_->pointers()));
    }
    return {};
  }
  const std::vector<TokenId> tokens = SomeTokens(test.tokens, session.model().graph().vocabulary);
  session.Reset();
  if (test.kind == Kind::kPrompt) {
    TRY(session.Feed(tokens));
    return {};
  }
  for (const TokenId& token : tokens) TRY(session.Feed({&token, 1}));
  return {};
}

Result<Sample> BenchCommand::Once(Session& session, const Test& test) const {
  const ExecutorStats before = session.stats().run;
  const Clock::time_point start = Clock::now();
  TRY(Compute(session, test));
  const double seconds = Seconds(Clock::now() - start);
  const ExecutorStats after = session.stats().run;
  return Sample{.seconds = seconds,
                .stall_seconds = Seconds(after.stall - before.stall),
                .read_bytes = after.streamed_bytes + after.row_bytes - before.streamed_bytes -
                              before.row_bytes};
}

Status BenchCommand::Measure(Session& session, Test& test, Console& console) const {
  for (int64_t i = 0; i < repetitions_; ++i) {
    console.Progress(fmt::format("{}: {} of {}", test.name, i + 1, repetitions_));
    TRY_ASSIGN(test.samples.emplace_back(), Once(session, test));
  }
  return {};
}

std::string BenchCommand::Heading(const Session& session) const {
  const SessionStats stats = session.stats();
  const SessionPlan& plan = session.plan();
  return fmt::format(
      "{} in {}: {} of {} stay, {} are read per pass ({}); {} {}, {} threads, {}\n\n{}",
      plan.layers ? session_.model.Title() : session.model().graph().architecture,
      FormatByteSize(stats.budget_bytes), FormatByteSize(stats.resident_weight_bytes),
      FormatByteSize(plan.report.pass_bytes), FormatByteSize(plan.plan.streamed_read_bytes),
      Name(stats.io_path), plan.layers ? "batch" : "context", plan.plan.context, plan.plan.workers,
      ActiveIsa(), Header(WordsOf(plan)));
}

Json BenchCommand::Answer(const Session& session, const std::vector<Test>& tests) {
  const SessionStats stats = session.stats();
  const SessionPlan& plan = session.plan();
  Json out;
  out["budget_bytes"] = stats.budget_bytes;
  out["counted_peak_bytes"] = stats.counted_peak_bytes;
  out["predicted_peak_bytes"] = plan.report.predicted_peak_bytes;
  out["resident_weight_bytes"] = stats.resident_weight_bytes;
  out["pass_bytes"] = plan.report.pass_bytes;
  out["io_path"] = Name(stats.io_path);
  out[plan.layers ? "batch" : "context"] = session.context();
  out["threads"] = plan.plan.workers;
  out["isa"] = ActiveIsa();
  Json& rows = out["rows"] = Json::array();
  for (const Test& test : tests) rows.push_back(ToJson(test, WordsOf(plan)));
  return out;
}

Result<int> BenchCommand::Run(Console& console) {
  TRY_ASSIGN(const std::unique_ptr<StopWatcher> watcher, StopWatcher::Start());
  TRY_ASSIGN(Prepared prepared, Prepare(session_, console));
  TRY(plan_source_.Read(prepared, console));
  const bool text = prepared.model->is_text();
  std::vector<Test> tests;
  if (text) tests = ChooseTests(*prepared.model, prepared.options);
  TRY_ASSIGN(SessionPlan plan, plan_source_.Plan(prepared, console));
  for (const std::string& note : plan.notes) console.Note(note);
  const double predicted = plan.report.predicted_tokens_per_second;
  Budget process("process", plan.budget_bytes);
  TRY_ASSIGN(const std::unique_ptr<Session> session,
             Session::Open(prepared.model, std::move(plan), process));
  watcher->CallOnStop([&session] { session->Cancel(); });
  if (!text) samples_.emplace(*session);
  // The weights that stay come in with the first pass.
  TRY(Once(*session,
           {.name = "warm-up", .kind = text ? Kind::kGeneration : Kind::kPasses, .tokens = 1}));
  if (!text) {
    TRY_ASSIGN(tests, PassTests(*session));
  }
  if (!console.json) TRY(console.Answer(Heading(*session)));
  for (Test& test : tests) {
    if (test.kind != Kind::kPrompt) test.predicted = predicted;
    TRY(Measure(*session, test, console));
    if (!console.json) TRY(console.Answer(Row(test)));
  }
  watcher->CallOnStop({});
  if (console.json) {
    TRY(console.Answer(Dump(Answer(*session, tests))));
    return 0;
  }
  TRY(console.Answer(fmt::format("\npeak       {} counted, {} planned\n",
                                 FormatByteSize(session->stats().counted_peak_bytes),
                                 FormatByteSize(session->plan().report.predicted_peak_bytes))));
  return 0;
}

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace tinyai
