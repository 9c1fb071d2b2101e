#pragma once

#include <string>

#include "base/result.h"
#include "engine/model.h"
#include "engine/session_plan.h"

namespace tinyai {

// Plans a session on this machine, as it is now, with the rates that were measured on it. Errors:
// those of PlanSession.
Result<SessionPlan> PlanText(const Model& model, const SessionOptions& options);
// As the text says: a whole plan that WriteTextPlan has written, or a schedule that fixes a part.
// Errors: those of ReadPlan, AdoptPlan and PlanScheduledSession; of several mistakes the first.
Result<SessionPlan> PlanText(const Model& model, const SessionOptions& options, std::string text);

// The whole plan in the scheduling language.
std::string WriteTextPlan(const Model& model, const SessionPlan& session);

// What the plan would do with other rates.
PlanReport SimulateText(const Model& model, const SessionPlan& session, const Rates& rates);

}  // namespace tinyai
