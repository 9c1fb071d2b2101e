#include <algorithm>
#include <chrono>

#include "base/units.h"
#include "command.h"
#include "engine/session.h"
#include "fmt/format.h"
#include "json.h"
#include "kernel/isa.h"
#include "plan_source.h"
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

enum class Kind { kPrompt, kGeneration };  // in chunks, or one token after the other

struct Test {
  std::string name;  // "pp512", "tg128"
  Kind kind;
  uint64_t tokens = 0;
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

constexpr std::string_view kHeader =
    "test         tokens/s   predicted   read/token      disk/s   waited\n";

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

Json ToJson(const Test& test) {
  const Sample median = test.Median();
  Json out;
  out["test"] = test.name;
  out["tokens"] = test.tokens;
  out["tokens_per_second"] = test.tokens_per_second(median);
  Json& all = out["all_tokens_per_second"] = Json::array();
  for (const Sample& sample : test.samples) all.push_back(test.tokens_per_second(sample));
  out["predicted_tokens_per_second"] = test.predicted == 0 ? Json() : Json(test.predicted);
  out["read_bytes_per_token"] =
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

// `tinyai bench`: how fast a model runs in a budget.
class BenchCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Integer("-p,--n-prompt", "tokens of the prompt test; 0: none (512)", &prompt_, 0,
                  kMostTokens);
    flags.Integer("-n,--n-gen", "tokens of the generation test; 0: none (128)", &generated_, 0,
                  kMostTokens);
    flags.Integer("-r,--repetitions", "of each test; the median counts (3)", &repetitions_, 1,
                  kMostRepetitions);
    session_.AddTo(flags);
    plan_source_.AddTo(flags, true);
  }
  Result<int> Run(Console& console) override;

 private:
  std::vector<Test> ChooseTests(const Model& model, SessionOptions& options) const;
  Status Measure(Session& session, Test& test, Console& console) const;
  static Result<Sample> Once(Session& session, const Test& test);
  static std::string Heading(const Session& session);
  static Json Answer(const Session& session, const std::vector<Test>& tests);

  SessionFlags session_;
  PlanSource plan_source_{session_};
  std::optional<int64_t> prompt_, generated_;
  int64_t repetitions_ = 3;
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

Result<Sample> BenchCommand::Once(Session& session, const Test& test) {
  const std::vector<TokenId> tokens = SomeTokens(test.tokens, session.model().graph().vocabulary);
  session.Reset();
  const ExecutorStats before = session.stats().run;
  const Clock::time_point start = Clock::now();
  if (test.kind == Kind::kPrompt) {
    TRY(session.Feed(tokens));
  } else {
    for (const TokenId& token : tokens) TRY(session.Feed({&token, 1}));
  }
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

std::string BenchCommand::Heading(const Session& session) {
  const SessionStats stats = session.stats();
  const Plan& plan = session.plan().plan;
  return fmt::format(
      "{} in {}: {} of {} stay, {} are read per pass ({}); context {}, {} threads, {}\n\n{}",
      session.model().graph().architecture, FormatByteSize(stats.budget_bytes),
      FormatByteSize(stats.resident_weight_bytes), FormatByteSize(session.plan().report.pass_bytes),
      FormatByteSize(plan.streamed_read_bytes), Name(stats.io_path), plan.context, plan.workers,
      ActiveIsa(), kHeader);
}

Json BenchCommand::Answer(const Session& session, const std::vector<Test>& tests) {
  const SessionStats stats = session.stats();
  Json out;
  out["budget_bytes"] = stats.budget_bytes;
  out["counted_peak_bytes"] = stats.counted_peak_bytes;
  out["resident_weight_bytes"] = stats.resident_weight_bytes;
  out["pass_bytes"] = session.plan().report.pass_bytes;
  out["io_path"] = Name(stats.io_path);
  out["context"] = session.context();
  out["threads"] = session.plan().plan.workers;
  out["isa"] = ActiveIsa();
  Json& rows = out["rows"] = Json::array();
  for (const Test& test : tests) rows.push_back(ToJson(test));
  return out;
}

Result<int> BenchCommand::Run(Console& console) {
  TRY_ASSIGN(const std::unique_ptr<StopWatcher> watcher, StopWatcher::Start());
  TRY_ASSIGN(Prepared prepared, Prepare(session_, console));
  TRY(plan_source_.Read(prepared, console));
  std::vector<Test> tests = ChooseTests(*prepared.model, prepared.options);
  TRY_ASSIGN(SessionPlan plan, plan_source_.Plan(prepared, console));
  for (const std::string& note : plan.notes) console.Note(note);
  const double predicted = plan.report.predicted_tokens_per_second;
  Budget process("process", plan.budget_bytes);
  TRY_ASSIGN(const std::unique_ptr<Session> session,
             Session::Open(prepared.model, std::move(plan), process));
  watcher->CallOnStop([&session] { session->Cancel(); });
  // The weights that stay come in with the first pass.
  TRY(Once(*session, {.name = "warm-up", .kind = Kind::kGeneration, .tokens = 1}));
  if (!console.json) TRY(console.Answer(Heading(*session)));
  for (Test& test : tests) {
    if (test.kind == Kind::kGeneration) test.predicted = predicted;
    TRY(Measure(*session, test, console));
    if (!console.json) TRY(console.Answer(Row(test)));
  }
  watcher->CallOnStop({});
  if (console.json) TRY(console.Answer(Dump(Answer(*session, tests))));
  return 0;
}

}  // namespace

std::unique_ptr<Command> MakeBenchCommand() { return std::make_unique<BenchCommand>(); }

}  // namespace tinyai
