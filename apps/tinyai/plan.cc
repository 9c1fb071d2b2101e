#include "base/units.h"
#include "command.h"
#include "fmt/format.h"
#include "json.h"
#include "plan/plan_file.h"
#include "session_flags.h"
#include "whole_file.h"

namespace tinyai {
namespace {

Json ToJson(const Rates& rates) {
  Json out;
  out["measured"] = rates.measured;
  out["memory_bytes_per_second"] = rates.memory_bytes_per_second;
  out["disk_bytes_per_second"] = rates.disk_bytes_per_second;
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
  out["streamed_bytes_per_token"] = plan.streamed_read_bytes;
  out["predicted_tokens_per_second"] = report.predicted_tokens_per_second;
  out["predicted_peak_bytes"] = report.predicted_peak_bytes;
  out["context"] = plan.context;
  out["threads"] = plan.workers;
  out["prompt_chunk"] = plan.chunk;
  out["rates"] = ToJson(outcome.rates);
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
  return fmt::format("{} rates: memory {}/s, disk {}/s, {:.3g} multiply-adds/s",
                     rates.measured ? "measured" : "assumed",
                     FormatByteSize(static_cast<uint64_t>(rates.memory_bytes_per_second)),
                     FormatByteSize(static_cast<uint64_t>(rates.disk_bytes_per_second)),
                     rates.compute_macs_per_second);
}

std::string Describe(const Outcome& outcome) {
  const Plan& plan = outcome.session.plan;
  const PlanReport& report = outcome.session.report;
  std::string out =
      fmt::format("model         {}, of which each token needs {}\n",
                  FormatByteSize(outcome.model_bytes), FormatByteSize(report.pass_bytes));
  out += fmt::format(
      "budget        {} ({} {})\n", FormatByteSize(outcome.session.budget_bytes),
      outcome.feasible ? "least:" : "too small; least:", FormatByteSize(report.least_budget_bytes));
  if (!outcome.feasible) out += "\nWith the least budget:\n";
  out += fmt::format("stays         {} of weights\n", FormatByteSize(plan.resident_bytes));
  out += fmt::format("is streamed   {} per token\n", FormatByteSize(plan.streamed_read_bytes));
  out += fmt::format("speed         {:.3g} tokens/s ({})\n", report.predicted_tokens_per_second,
                     Describe(outcome.rates));
  out += fmt::format("runs with     context {}, {} threads, prompt in chunks of {}\n\n",
                     plan.context, plan.workers, plan.chunk);
  out += "Memory:\n";
  for (const Component& component : report.components) {
    if (component.bytes != 0) out += Row(component.name, component.bytes);
  }
  return out + Row("in all", report.predicted_peak_bytes);
}

// `tinyai plan`: what a run would do. Reads no weights.
class PlanCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Switch("--steps", "print every step of a pass: --emit schedule", &steps_);
    flags.Value("--emit", "FORM", "the plan as text instead: schedule, which run --plan reads",
                [this](std::string_view text) -> Status {
                  if (text != "schedule") {
                    return Fail(ErrorCode::kUsage, "BAD_OPTION",
                                fmt::format("there is no form '{}'; use schedule", text));
                  }
                  emit_ = text;
                  return {};
                });
    flags.Text("-o,--output", "FILE", "with --emit: the file to write", &output_);
    session_.AddTo(flags);
  }

  Result<int> Run(Console& console) override {
    if (steps_ && !emit_) emit_ = "schedule";
    if (output_ && !emit_) {
      return Fail(ErrorCode::kUsage, "BAD_USAGE", "-o names the file for --emit; say what to emit");
    }
    TRY_ASSIGN(const Prepared prepared, Prepare(session_, console));
    const Model& model = *prepared.model;
    Result<SessionPlan> session = PlanSession(model, prepared.options, prepared.machine);
    std::optional<Error> infeasible;
    if (!session && session.error().key == "BUDGET_INFEASIBLE" && !emit_) {
      infeasible = session.error();
      session = PlanLeastSession(model, prepared.options, prepared.machine);
    }
    if (!session) return tl::unexpected<Error>(std::move(session).error());
    for (const std::string& note : session->notes) console.Note(note);
    const Outcome outcome{!infeasible, std::move(*session), model.bytes(), prepared.machine.rates};
    if (emit_) return Emit(model, outcome, console);
    TRY(console.Answer(console.json ? Dump(ToJson(outcome)) : Describe(outcome)));
    if (!infeasible) return 0;
    console.Fail(*infeasible);
    return static_cast<int>(infeasible->code);
  }

 private:
  Result<int> Emit(const Model& model, const Outcome& outcome, Console& console) const {
    const std::string text = WritePlan(model.graph(), outcome.session.plan);
    if (!output_) {
      TRY(console.Answer(text));
      return 0;
    }
    TRY(WriteWholeFile(*output_, text));
    if (console.json) TRY(console.Answer(Dump(ToJson(outcome))));
    return 0;
  }

  SessionFlags session_;
  bool steps_ = false;
  std::optional<std::string> emit_, output_;
};

}  // namespace

std::unique_ptr<Command> MakePlanCommand() { return std::make_unique<PlanCommand>(); }

}  // namespace tinyai
