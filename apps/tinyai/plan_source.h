#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "console.h"
#include "engine/session_plan.h"
#include "flags.h"
#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "session_flags.h"

namespace tinyai {

// What decides the plan of a session besides its flags: a plan from a file, a schedule that says
// what it is to be like, or nothing.
class PlanSource {
 public:
  // `session` decides the rest; it outlives this object.
  explicit PlanSource(const SessionFlags& session) : session_(session) {}
  // --schedule, --device and --cost; and --plan where a plan is carried out.
  void AddTo(Flags& flags, bool with_plan);

  // Reads the files that are named, if some are; a schedule may be a whole plan. What the flags of
  // the session leave open (threads, context, types of the cache) is from here on in
  // `prepared.options` as the plan has it; its budget is, once it is planned. Mistakes of the file
  // are explained at the console; errors: those of ReadWholeFile and ReadPlan.
  Status Read(Prepared& prepared, Console& console);

  // After Read, once. Errors: PLAN_MISMATCH; those of PlanSession and PlanScheduledSession.
  Result<SessionPlan> Plan(const Prepared& prepared, Console& console);
  // Where Plan said BUDGET_INFEASIBLE: the same with the least budget that works.
  Result<SessionPlan> PlanLeast(const Prepared& prepared) const;

 private:
  Status ReadDevice(Prepared& prepared, Console& console) const;
  Status ReadCostsOf(const Devices& devices, Prepared& prepared, Console& console) const;

  const SessionFlags& session_;
  std::optional<std::string> plan_path_, schedule_path_, device_path_, cost_path_;
  std::unique_ptr<SourceText> schedule_;  // what is no plan
  std::optional<SavedPlan> saved_;
};

}  // namespace tinyai
