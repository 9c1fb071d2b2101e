#include "plan_source.h"

#include <algorithm>
#include <utility>

#include "lang/source.h"
#include "plan/device_for_model.h"
#include "plan/plan_file.h"
#include "plan/resolve_schedule.h"
#include "program/read_machine.h"
#include "whole_file.h"

namespace tinyai {
namespace {

// What nobody asked for is as the plan has it, as far as this machine can.
void FillFrom(const Plan& plan, bool text, const SessionFlags& flags, SessionOptions& options) {
  if (!flags.threads && plan.workers < options.threads) {
    options.threads = plan.workers;
    options.cpus.resize(std::min<size_t>(options.cpus.size(), plan.workers));
  }
  if (!text) return;
  if (options.context == 0) options.context = plan.context;
  if (!flags.key_type) options.key_type = plan.key_type;
  if (!flags.value_type) options.value_type = plan.value_type;
}

}  // namespace

void PlanSource::AddTo(Flags& flags, bool with_plan) {
  flags.Text("--schedule", "FILE",
             "what the plan is to be like: what stays, what is streamed, what comes first",
             &schedule_path_);
  flags.Text(
      "--device", "FILE",
      "a device with its own memory, which a thread stands for: a schedule may put ops on it",
      &device_path_);
  flags.Text("--cost", "FILE",
             "with --device, what the device's ops take; else a thread's share of the CPU's rates",
             &cost_path_);
  if (!with_plan) return;
  flags.Text("--plan", "FILE",
             "do as this plan says, which tinyai plan --emit schedule has written", &plan_path_);
}

Status PlanSource::ReadDevice(Prepared& prepared, Console& console) const {
  if (!device_path_) {
    if (!cost_path_) return {};
    return Fail(ErrorCode::kUsage, "BAD_USAGE", "--cost is for a device; name it with --device");
  }
  TRY_ASSIGN(std::string text, ReadWholeFile(*device_path_, kMostSourceBytes));
  const SourceText source(*device_path_, std::move(text));
  Diagnostics diagnostics(source);
  Devices devices;
  const auto read = [&]() -> Result<std::optional<RequestDevice>> {
    TRY_ASSIGN(devices, ReadDevices(diagnostics));
    return DeviceForModel(devices, diagnostics);
  };
  Result<std::optional<RequestDevice>> device = read();
  console.Explain(diagnostics);
  if (!device) return tl::unexpected<Error>(std::move(device).error());
  prepared.options.device = std::move(*device);
  return cost_path_ ? ReadCostsOf(devices, prepared, console) : Status();
}

Status PlanSource::ReadCostsOf(const Devices& devices, Prepared& prepared, Console& console) const {
  TRY_ASSIGN(std::string text, ReadWholeFile(*cost_path_, kMostSourceBytes));
  const SourceText source(*cost_path_, std::move(text));
  Diagnostics diagnostics(source);
  const auto read = [&]() -> Status {
    TRY_ASSIGN(Costs costs, ReadCosts(devices, diagnostics));
    if (!prepared.options.device) return {};
    prepared.options.device->costs = std::make_shared<const Costs>(std::move(costs));
    return CheckDeviceCosts(prepared.model->graph(), *prepared.options.device, diagnostics);
  };
  const Status done = read();
  console.Explain(diagnostics);
  return done;
}

Status PlanSource::Read(Prepared& prepared, Console& console) {
  TRY(ReadDevice(prepared, console));
  if (plan_path_ && schedule_path_) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "--plan decides everything, so there is nothing left for --schedule; use one");
  }
  if (schedule_path_) plan_path_ = schedule_path_;
  if (!plan_path_) return {};
  TRY_ASSIGN(std::string text, ReadWholeFile(*plan_path_, kMostSourceBytes));
  auto source = std::make_unique<SourceText>(*plan_path_, std::move(text));
  Diagnostics diagnostics(*source);
  if (schedule_path_ && !IsWholePlan(diagnostics)) {
    schedule_ = std::move(source);
    return {};
  }
  Result<SavedPlan> saved = ReadSessionPlan(*prepared.model, diagnostics);
  console.Explain(diagnostics);
  if (!saved) return tl::unexpected<Error>(std::move(saved).error());
  if (session_.options.mode != PlanMode::kAdaptive || session_.options.speed != 1) {
    return Fail(ErrorCode::kUsage, "BAD_USAGE",
                "a whole plan decides everything, so there is nothing left for --mode and --speed");
  }
  FillFrom(saved->plan, prepared.model->is_text(), session_, prepared.options);
  saved_ = std::move(*saved);
  return {};
}

Result<SessionPlan> PlanSource::Plan(const Prepared& prepared, Console& console) {
  const Model& model = *prepared.model;
  if (schedule_) {
    std::unique_ptr<SourceText> source = std::move(schedule_);
    Diagnostics diagnostics(*source);
    Result<SessionPlan> session =
        PlanScheduledSession(model, prepared.options, prepared.machine, diagnostics);
    console.Explain(diagnostics);
    if (!session) schedule_ = std::move(source);  // for PlanLeast
    return session;
  }
  if (!saved_) return PlanSession(model, prepared.options, prepared.machine);
  Result<SessionPlan> session =
      AdoptPlan(model, prepared.options, prepared.machine, *std::move(saved_));
  if (!session && session.error().file.empty()) session.error().file = *plan_path_;
  return session;
}

Result<SessionPlan> PlanSource::PlanLeast(const Prepared& prepared) const {
  const Model& model = *prepared.model;
  if (!schedule_) return PlanLeastSession(model, prepared.options, prepared.machine);
  SessionOptions options = prepared.options;
  options.force = true;
  Diagnostics said_before(*schedule_);
  return PlanScheduledSession(model, options, prepared.machine, said_before);
}

}  // namespace tinyai
