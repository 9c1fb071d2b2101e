#include "engine/text_plan.h"

#include <algorithm>

#include "engine/this_machine.h"
#include "lang/source.h"
#include "plan/plan_file.h"
#include "plan/resolve_schedule.h"

namespace tinyai {
namespace {

Status CheckText(const Model& model) {
  if (model.is_text()) return {};
  return Fail(ErrorCode::kUnsupported, "NO_TEXT_MODEL",
              "this model is a layer graph, which makes no text; a forward scheduler executes it");
}

}  // namespace

Result<SessionPlan> PlanText(const Model& model, const SessionOptions& options) {
  TRY(CheckText(model));
  return PlanSession(model, options, ThisMachine(options.threads));
}

Result<SessionPlan> PlanText(const Model& model, const SessionOptions& options, std::string text) {
  TRY(CheckText(model));
  const Machine machine = ThisMachine(options.threads);
  const SourceText source("<plan>", std::move(text));
  Diagnostics diagnostics(source);
  if (!IsWholePlan(diagnostics)) {
    return PlanScheduledSession(model, options, machine, diagnostics);
  }
  TRY_ASSIGN(SavedPlan saved, ReadSessionPlan(model, diagnostics));
  SessionOptions as_planned = options;
  if (options.threads == 0) as_planned.threads = std::min(machine.threads, saved.plan.workers);
  as_planned.key_type = saved.plan.key_type;
  as_planned.value_type = saved.plan.value_type;
  return AdoptPlan(model, as_planned, machine, std::move(saved));
}

std::string WriteTextPlan(const Model& model, const SessionPlan& session) {
  return WriteSessionPlan(model, session);
}

PlanReport SimulateText(const Model& model, const SessionPlan& session, const Rates& rates) {
  SessionPlan other = session;
  Reconsider(model, rates, other);
  return other.report;
}

}  // namespace tinyai
