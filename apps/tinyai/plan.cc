#include <algorithm>
#include <utility>

#include "base/units.h"
#include "command.h"
#include "fmt/format.h"
#include "json.h"
#include "output_file.h"
#include "plan/plan_file.h"
#include "plan_source.h"
#include "plan_view.h"
#include "session_flags.h"
#include "stoppable_search.h"
#include "view/write_view.h"

namespace tinyai {
namespace {

Json ToJson(const Rates& rates) {
  Json out;
  out["measured"] = rates.measured;
  out["memory_bytes_per_second"] = rates.memory_bytes_per_second;
  out["disk_bytes_per_second"] = rates.disk_bytes_per_second;
  out["product_bytes_per_second"] = rates.product_bytes_per_second;
  out["meeting_seconds"] = rates.meeting_seconds;
  out["compute_macs_per_second"] = rates.compute_macs_per_second;
  out["request_seconds"] = rates.request_seconds;
  return out;
}

// What was planned; for a budget that cannot work, the least plan that does.
struct Outcome {
  bool feasible;
  SessionPlan session;
  uint64_t model_bytes;
  Rates rates;
};

// Of one pass over one token, by the simulation.
void AddPass(const PlanDetails& details, Json& out) {
  const PlannedNet& planned = details.planned;
  out["pass_seconds"] = planned.simulation.makespan;
  out["least_pass_seconds"] = planned.least_makespan;
  Json& queues = out["queues"] = Json::array();
  for (size_t i = 0; i < details.model.net.places.size(); ++i) {
    queues.push_back({{"name", details.model.net.places[i].name},
                      {"busy_seconds", planned.simulation.busy[i]},
                      {"stalled_seconds", planned.simulation.stalled[i]},
                      {"bytes", planned.simulation.moved_bytes[i]}});
  }
  out["syncs"] = {{"value", planned.syncs.value}, {"lower_bound", planned.syncs.lower_bound}};
  Json& curve = out["sync_curve"] = Json::array();
  for (const SyncPoint& point : planned.sync_curve) {
    curve.push_back(
        {{"syncs", point.syncs}, {"fences", point.fences}, {"pass_seconds", point.makespan}});
  }
  out["fences"] = {{"value", planned.fences.value}, {"lower_bound", planned.fences.lower_bound}};
  out["arena_bytes"] = {{"value", planned.peaks[0].value},
                        {"lower_bound", planned.peaks[0].lower_bound}};
}

// Of a layer graph.
void AddLayers(const SessionPlan& session, Json& out) {
  out["largest_batch"] = session.largest_batch;
  out["spilled_bytes_per_pass"] = session.report.spilled_bytes;
  out["fetched_bytes_per_pass"] = session.report.fetched_bytes;
  out["recompute_ratio"] = session.layers->recompute_ratio;
  Json& changes = out["changes"] = Json::array();
  for (const GraphChange& change : session.layers->changes) {
    Json& it = changes.emplace_back();
    it["kind"] = NameOf(change.kind);
    it["name"] = change.name;
    if (change.kind == GraphChange::Kind::kBands) it["count"] = change.bands;
  }
}

Json ToJson(const Outcome& outcome) {
  const Plan& plan = outcome.session.plan;
  const PlanReport& report = outcome.session.report;
  Json out;
  out["feasible"] = outcome.feasible;
  out["budget_bytes"] = outcome.session.budget_bytes;
  out["least_budget_bytes"] = report.least_budget_bytes;
  out["model_bytes"] = outcome.model_bytes;
  out["pass_bytes"] = report.pass_bytes;
  out["resident_bytes"] = plan.resident_bytes;
  const PassWords words = WordsOf(outcome.session);
  out[fmt::format("streamed_bytes_per_{}", words.one)] = plan.streamed_read_bytes;
  out[fmt::format("predicted_{}_per_second", words.many)] = report.predicted_tokens_per_second;
  out["predicted_peak_bytes"] = report.predicted_peak_bytes;
  out[outcome.session.layers ? "batch" : "context"] = plan.context;
  out["threads"] = plan.workers;
  if (outcome.session.layers) {
    AddLayers(outcome.session, out);
  } else {
    out["prompt_chunk"] = plan.chunk;
    out["largest_chunk"] = report.largest_chunk;
  }
  out["rates"] = ToJson(outcome.rates);
  if (outcome.session.details) AddPass(*outcome.session.details, out);
  Json& components = out["components"] = Json::array();
  for (const Component& component : report.components) {
    components.push_back({{"name", component.name}, {"bytes", component.bytes}});
  }
  return out;
}

std::string Row(std::string_view name, uint64_t bytes) {
  return fmt::format("  {:16} {:>10}\n", name, FormatByteSize(bytes));
}

std::string Describe(const Rates& rates) {
  return fmt::format("{} rates: products {}/s, disk {}/s, {:.3g} multiply-adds/s",
                     rates.measured ? "measured" : "assumed",
                     FormatByteSize(static_cast<uint64_t>(rates.product_bytes_per_second)),
                     FormatByteSize(static_cast<uint64_t>(rates.disk_bytes_per_second)),
                     rates.compute_macs_per_second);
}

std::string RunsWith(const SessionPlan& session) {
  const Plan& plan = session.plan;
  const auto up_to = [](uint64_t most, uint64_t now) {
    return most > now ? fmt::format(" (up to {} fit)", most) : "";
  };
  if (session.layers) {
    return fmt::format("{} threads, batches of {}{}", plan.workers, plan.chunk,
                       up_to(session.largest_batch, plan.chunk));
  }
  return fmt::format("context {}, {} threads, prompt in chunks of {}{}", plan.context, plan.workers,
                     plan.chunk, up_to(session.report.largest_chunk, plan.chunk));
}

std::string Describe(const Outcome& outcome) {
  const Plan& plan = outcome.session.plan;
  const PlanReport& report = outcome.session.report;
  const PassWords words = WordsOf(outcome.session);
  std::string out = fmt::format("model         {}, of which each {} needs {}\n",
                                FormatByteSize(outcome.model_bytes), words.one,
                                FormatByteSize(report.pass_bytes));
  out += fmt::format(
      "budget        {} ({} {})\n", FormatByteSize(outcome.session.budget_bytes),
      outcome.feasible ? "least:" : "too small; least:", FormatByteSize(report.least_budget_bytes));
  if (!outcome.feasible) out += "\nWith the least budget:\n";
  out += fmt::format("stays         {} of weights\n", FormatByteSize(plan.resident_bytes));
  out +=
      fmt::format("is streamed   {} per {}\n", FormatByteSize(plan.streamed_read_bytes), words.one);
  for (const auto& [name, text] : DescribeChanges(outcome.session)) {
    out += fmt::format("{:13} {}\n", name, text);
  }
  out += fmt::format("speed         {:.3g} {}/s ({})\n", report.predicted_tokens_per_second,
                     words.many, Describe(outcome.rates));
  out += fmt::format("runs with     {}\n\n", RunsWith(outcome.session));
  if (outcome.session.details) {
    out += fmt::format("One {}:\n", words.one);
    for (const auto& [name, text] : DescribePass(outcome.session)) {
      out += fmt::format("  {:16} {}\n", name, text);
    }
    out += "\n";
  }
  out += "Memory:\n";
  for (const Component& component : report.components) {
    if (component.bytes != 0) out += Row(component.name, component.bytes);
  }
  return out + Row("in all", report.predicted_peak_bytes);
}

constexpr size_t kBlockBytes = 256 << 10;

using WriteView = Status (*)(const NetView&, const TextSink&);
struct Form {
  std::string_view name;
  WriteView write;  // null: the plan as a schedule, which needs no net
};
constexpr Form kForms[] = {{"schedule", nullptr},
                           {"json", WriteJson},
                           {"trace", WriteTrace},
                           {"html", WritePage},
                           {"dot", WriteDot}};

// `tinyai plan`: what a run would do. Reads no weights.
class PlanCommand : public Command {
 public:
  void AddFlags(Flags& flags) override;
  Result<int> Run(Console& console) override;

 private:
  Status CheckFlags(const Console& console) const;
  Status Emit(const Model& model, const SessionPlan& session, const TextSink& sink) const;
  Status Emit(const Model& model, const SessionPlan& session, Console& console) const;
  std::string Title(const SessionPlan& session) const;
  std::string Text(const Outcome& outcome) const;

  SessionFlags session_;
  PlanSource plan_source_{session_};
  SearchFlags search_;
  const Form* form_ = nullptr;
  std::optional<std::string> file_;
  bool explain_ = false;
};

void PlanCommand::AddFlags(Flags& flags) {
  flags.Value("--emit", "FORM",
              "the whole plan: schedule (to be read back), json, trace (for ui.perfetto.dev), html "
              "(a page) or dot (for Graphviz)",
              [this](std::string_view text) -> Status {
                const auto* const form =
                    std::find_if(std::begin(kForms), std::end(kForms),
                                 [&](const Form& known) { return known.name == text; });
                if (form == std::end(kForms)) {
                  return Fail(
                      ErrorCode::kUsage, "BAD_OPTION",
                      fmt::format("'{}' is none of schedule, json, trace, html, dot", text));
                }
                form_ = form;
                return {};
              });
  flags.Text("-o,--output", "FILE", "where --emit writes to; without it stdout", &file_);
  flags.Switch("--explain", "why everything was chosen as it is, and what each sync is for",
               &explain_);
  session_.AddTo(flags);
  plan_source_.AddTo(flags, false);
  search_.Add(flags);
}

Status PlanCommand::CheckFlags(const Console& console) const {
  if (file_ && form_ == nullptr) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE", "-o says where, but not what: use --emit too");
  }
  if (form_ != nullptr && !file_ && console.json) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "--json and --emit both answer on stdout; give --emit a file with -o");
  }
  return {};
}

Result<int> PlanCommand::Run(Console& console) {
  TRY(CheckFlags(console));
  TRY(search_.Check());
  session_.options.details = true;
  TRY_ASSIGN(Prepared prepared, Prepare(session_, console));
  TRY_ASSIGN(const std::unique_ptr<StoppableSearch> search, StoppableSearch::Start(search_));
  prepared.options.limits = search->limits();
  const Model& model = *prepared.model;
  TRY(plan_source_.Read(prepared, console));
  Result<SessionPlan> session = plan_source_.Plan(prepared, console);
  std::optional<Error> infeasible;
  if (!session && session.error().key == "BUDGET_INFEASIBLE" && form_ == nullptr) {
    infeasible = session.error();
    session = plan_source_.PlanLeast(prepared);
  }
  if (!session) return tl::unexpected<Error>(std::move(session).error());
  if (!session->details && ((form_ != nullptr && form_->write != nullptr) || explain_)) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "a plan from a file has no more to show than its steps: use --emit schedule");
  }
  for (const std::string& note : session->notes) console.Note(note);
  if (form_ != nullptr) TRY(Emit(model, *session, console));
  if (form_ != nullptr && !console.json) return ExitCodeOfSearch(0, console);
  const Outcome outcome{!infeasible, std::move(*session), model.bytes(), prepared.machine.rates};
  TRY(console.Answer(console.json ? Dump(ToJson(outcome)) : Text(outcome)));
  if (!infeasible) return ExitCodeOfSearch(0, console);
  console.Fail(*infeasible);
  return static_cast<int>(infeasible->code);
}

// In blocks: the writers hand out many small pieces.
Status PlanCommand::Emit(const Model& model, const SessionPlan& session,
                         const TextSink& sink) const {
  if (form_->write == nullptr) return sink(WriteSessionPlan(model, session));
  std::string block;
  TRY(form_->write(ViewOf(session, Title(session)), [&](std::string_view text) -> Status {
    block += text;
    if (block.size() < kBlockBytes) return {};
    return sink(std::exchange(block, {}));
  }));
  return sink(block);
}

Status PlanCommand::Emit(const Model& model, const SessionPlan& session, Console& console) const {
  if (!file_) {
    return Emit(model, session, [&](std::string_view text) { return console.Answer(text); });
  }
  TRY_ASSIGN(OutputFile file, OutputFile::Open(*file_, model.sources()));
  TRY(Emit(model, session, [&](std::string_view text) { return file.Write(text); }));
  return file.Commit();
}

std::string PlanCommand::Title(const SessionPlan& session) const {
  const std::string_view what = session.layers ? "batch" : "context";
  return fmt::format("{} in {}, {} {}", session_.model.Title(),
                     FormatByteSize(session.budget_bytes), what, session.plan.context);
}

std::string PlanCommand::Text(const Outcome& outcome) const {
  const std::string text = Describe(outcome);
  if (!explain_) return text;
  return text + "\n" + Explain(ViewOf(outcome.session, Title(outcome.session)));
}

}  // namespace

std::unique_ptr<Command> MakePlanCommand() { return std::make_unique<PlanCommand>(); }

}  // namespace tinyai
