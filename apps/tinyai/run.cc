#include <algorithm>
#include <atomic>
#include <random>

#include "base/units.h"
#include "command.h"
#include "embedded_model.h"
#include "engine/encode_prompt.h"
#include "engine/measured_trace.h"
#include "fmt/format.h"
#include "json.h"
#include "os/signals.h"
#include "output_file.h"
#include "plan_source.h"
#include "prompt.h"
#include "run_layers.h"
#include "run_report.h"
#include "session_flags.h"
#include "stop_watcher.h"
#include "ticker.h"

namespace tinyai {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kMostTopLogits = 1 << 20;
constexpr int64_t kMostTokens = int64_t{1} << 40;
// A tale that nobody gave a beginning ends with the first sentence that ends after this.
constexpr size_t kTaleTokens = 120;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

bool EndsSentence(std::string_view text) {
  while (text.ends_with('"') || text.ends_with('\'') || text.ends_with('\n')) text.remove_suffix(1);
  return text.ends_with('.') || text.ends_with('!') || text.ends_with('?');
}

// `tinyai run`: continues a text, or computes a layer graph.
class RunCommand : public Command {
 public:
  void AddFlags(Flags& flags) override;
  Result<int> Run(Console& console) override;

 private:
  Status CheckFlags(const Model& model) const;
  Status ChoosePrompt(const Prepared& prepared, Console& console);
  Result<std::vector<TokenId>> Encode(const Prepared& prepared) const;
  Status CheckFits(const SessionPlan& plan) const;
  Result<std::unique_ptr<Ticker>> ShowWaiting(const std::atomic<size_t>& prompt_done,
                                              Console& console) const;
  Status Generate(Session& session, Console& console);
  bool TakeToken(std::string_view text, Console& console);
  Status WriteTrace(Session& session);
  Status Answer(const Session& session, Console& console);
  Result<int> Finish(const Status& status, const Session& session, Console& console);

  SessionFlags session_;
  PlanSource plan_source_{session_};
  std::optional<std::string> trace_file_;
  std::optional<OutputFile> trace_;
  LayerRun layers_;
  TextFlags text_;
  GenerateOptions options_;
  int64_t tokens_ = -1;
  int64_t seed_ = -1;
  int64_t top_logits_ = 0;
  std::optional<std::vector<TokenId>> prompt_ids_;

  std::string prompt_;
  bool tale_ = false;  // nobody gave a prompt
  RunReport report_;
  Status written_;  // of the last write to stdout
};

void RunCommand::AddFlags(Flags& flags) {
  text_.AddTo(flags);
  flags.Value("--prompt-tokens", "IDS", "the prompt as token ids: 1,2,3; comes before -p",
              [this](std::string_view text) -> Status {
                TRY_ASSIGN(prompt_ids_, ParseTokenIds(text));
                return {};
              });
  flags.Integer("-n,--predict", "tokens to generate at most; -1: until the end of the text",
                &tokens_, -1, kMostTokens);
  flags.Switch("--ignore-eos", "go on after the end of the text", &options_.ignore_end);
  flags.Integer("-s,--seed", "seed of the random choice; -1: another one each time", &seed_, -1,
                std::numeric_limits<int64_t>::max());
  flags.Decimal("--temp", "temperature; 0: always the likeliest token (0.8)",
                &options_.sampler.temperature);
  flags.Integer("--top-k", "choose among the K likeliest; 0: all (40)", &options_.sampler.top_k, 0,
                std::numeric_limits<int32_t>::max());
  flags.Decimal("--top-p", "choose among the likeliest that have this share together (0.95)",
                &options_.sampler.top_p);
  flags.Decimal("--min-p", "choose among those with this share of the likeliest (0.05)",
                &options_.sampler.min_p);
  flags.Decimal("--repeat-penalty", "above 1: tokens of the last 64 become less likely (1)",
                &options_.sampler.repeat_penalty);
  flags.Integer("--top-logits", "with --json: also the K best logits for each token", &top_logits_,
                0, kMostTopLogits);
  layers_.AddFlags(flags);
  session_.AddTo(flags);
  plan_source_.AddTo(flags, true);
  flags.Text("--trace", "FILE",
             "write when the last passes did what, to be opened by ui.perfetto.dev", &trace_file_);
}

// Those that say what goes in.
Status RunCommand::CheckFlags(const Model& model) const {
  const bool text = text_.text || text_.file || prompt_ids_;
  if (model.is_text() && layers_.asked()) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "--input and --output are for layer graphs; a text model takes a prompt: -p");
  }
  if (!model.is_text() && text) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "this model is a layer graph, which takes no prompt: use --input");
  }
  return {};
}

Status RunCommand::ChoosePrompt(const Prepared& prepared, Console& console) {
  if (!prompt_ids_) {
    TRY_ASSIGN(const std::optional<std::string> text, text_.Read(console));
    tale_ = !text && !session_.model.path;
    prompt_ = text.value_or(tale_ ? std::string(kEmbeddedPrompt) : std::string());
  }
  TRY_ASSIGN(report_.prompt, Encode(prepared));
  return {};
}

Result<std::vector<TokenId>> RunCommand::Encode(const Prepared& prepared) const {
  if (prompt_ids_) return *prompt_ids_;
  const Model& model = *prepared.model;
  const Tokenizer& tokenizer = model.tokenizer();
  const uint64_t context = prepared.options.context != 0
                               ? prepared.options.context
                               : std::min(model.graph().context, kDefaultContext);
  TRY_ASSIGN(std::vector<TokenId> ids, EncodePrompt(model, prompt_, context));
  if (ids.empty() && tokenizer.bos()) ids.push_back(*tokenizer.bos());
  if (ids.empty()) {
    return Fail(ErrorCode::kUsage, "NO_PROMPT",
                "this model needs a prompt to start from; give one with -p");
  }
  return ids;
}

// Before any weight is read.
Status RunCommand::CheckFits(const SessionPlan& plan) const {
  if (report_.prompt.size() <= plan.options.context) return {};
  return Fail(ErrorCode::kUsage, "CONTEXT_FULL",
              fmt::format("the prompt has {} tokens, the context {}; use -c {} or more",
                          report_.prompt.size(), plan.options.context, report_.prompt.size() + 1));
}

// False ends the generation.
bool RunCommand::TakeToken(std::string_view text, Console& console) {
  report_.text += text;
  if (!console.json && !text.empty()) {
    written_ = console.Answer(text);
    if (!written_) return false;
  }
  if (!tale_ || report_.generated.tokens.size() < kTaleTokens) return true;
  return !EndsSentence(report_.text);
}

// Until the first token, a terminal is told that something happens.
Result<std::unique_ptr<Ticker>> RunCommand::ShowWaiting(const std::atomic<size_t>& prompt_done,
                                                        Console& console) const {
  if (!console.shows_progress()) return std::unique_ptr<Ticker>();
  return Ticker::Start(std::chrono::milliseconds(250), [this, &prompt_done, &console] {
    console.Progress(fmt::format("{} of {} tokens of the prompt done, {} read from the disk",
                                 prompt_done.load(), report_.prompt.size(),
                                 FormatByteSize(ReadProcessStats().disk_read_bytes)));
  });
}

Status RunCommand::Generate(Session& session, Console& console) {
  options_.most_tokens = tokens_ < 0 ? ~uint64_t{0} : static_cast<uint64_t>(tokens_);
  options_.sampler.seed = seed_ < 0 ? std::random_device()() : static_cast<uint64_t>(seed_);
  options_.top_logits = static_cast<size_t>(top_logits_);
  if (!console.json && (tale_ || console.answer_is_terminal())) {
    TRY(console.Answer(console.Bold(prompt_)));
  }
  std::atomic<size_t> prompt_done = 0;
  TRY_ASSIGN(std::unique_ptr<Ticker> ticker, ShowWaiting(prompt_done, console));
  GenerateHooks hooks;
  hooks.prompt_progress = [&](size_t done) {
    prompt_done = done;
    return true;
  };
  hooks.token = [&](TokenId, std::string_view text) {
    ticker.reset();
    return TakeToken(text, console);
  };
  const Status status =
      tinyai::Generate(session, report_.prompt, options_, hooks, report_.generated);
  ticker.reset();
  TRY(written_);
  return status;
}

// After Ctrl-C, or an error, too.
Status RunCommand::WriteTrace(Session& session) {
  if (!trace_) return {};
  const Recorder& recorder = *session.Stop();
  TRY(WriteMeasuredTrace(session.graph(), session.plan().plan, recorder, session_.model.Title(),
                         [this](std::string_view text) { return trace_->Write(text); }));
  return trace_->Commit();
}

Status RunCommand::Answer(const Session& session, Console& console) {
  if (!session.model().is_text()) {
    return layers_.Answer(
        {session.plan(), report_.stats, report_.process, report_.load_seconds, report_.interrupted},
        console);
  }
  if (console.json) {
    TRY(console.Answer(Dump(ToJson(report_, top_logits_ > 0))));
  } else {
    const bool something = !report_.text.empty() || console.answer_is_terminal();
    if (something && !report_.text.ends_with('\n')) TRY(console.Answer("\n"));
    if (!console.quiet) console.Say(fmt::format("\n{}", Describe(report_)));
  }
  if (const std::string drift = DescribeDrift(report_); !drift.empty()) console.Note(drift);
  return {};
}

Result<int> RunCommand::Finish(const Status& status, const Session& session, Console& console) {
  const bool stopped = StopSignal() != 0;
  if (!status && !stopped) {
    if (!console.json && console.answer_is_terminal()) TRY(console.Answer("\n"));
    return tl::unexpected<Error>(status.error());
  }
  report_.interrupted = stopped;
  TRY(Answer(session, console));
  return stopped ? 128 + StopSignal() : 0;
}

Result<int> RunCommand::Run(Console& console) {
  TRY(Check(options_.sampler));
  TRY_ASSIGN(const std::unique_ptr<StopWatcher> watcher, StopWatcher::Start());
  const Clock::time_point start = Clock::now();
  if (trace_file_) session_.options.trace_bytes = kTraceBytes;
  TRY_ASSIGN(Prepared prepared, Prepare(session_, console));
  const bool text = prepared.model->is_text();
  TRY(CheckFlags(*prepared.model));
  if (trace_file_) {  // what cannot be written is known before weights are read
    TRY_ASSIGN(trace_, OutputFile::Open(*trace_file_, prepared.model->sources()));
  }
  TRY(plan_source_.Read(prepared, console));
  const double opening = SecondsSince(start);
  TRY(text ? ChoosePrompt(prepared, console) : layers_.Open(prepared.model->graph()));
  if (!text) prepared.options.most_batch = layers_.samples();
  const Clock::time_point loading = Clock::now();
  TRY_ASSIGN(SessionPlan plan, plan_source_.Plan(prepared, console));
  for (const std::string& note : plan.notes) console.Note(note);
  if (text) TRY(CheckFits(plan));
  report_.predicted_tokens_per_second = plan.report.predicted_tokens_per_second;
  Budget process("process", plan.budget_bytes);
  TRY_ASSIGN(const std::unique_ptr<Session> session,
             Session::Open(prepared.model, std::move(plan), process));
  report_.load_seconds = opening + SecondsSince(loading);
  watcher->CallOnStop([&session] { session->Cancel(); });
  const Status status = text ? Generate(*session, console) : layers_.Run(*session, console);
  watcher->CallOnStop({});
  report_.stats = session->stats();
  report_.process = ReadProcessStats();
  report_.rates_measured = prepared.machine.rates.measured;
  const Status traced = WriteTrace(*session);
  if (status && !traced) return tl::unexpected<Error>(traced.error());
  return Finish(status, *session, console);
}

}  // namespace

std::unique_ptr<Command> MakeRunCommand() { return std::make_unique<RunCommand>(); }

}  // namespace tinyai
