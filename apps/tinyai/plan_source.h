#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "console.h"
#include "engine/session_plan.h"
#include "flags.h"
#include "session_flags.h"

namespace tinyai {

// Where the plan of a session comes from: a file, or the planner.
class PlanSource {
 public:
  // `session` decides the rest; it outlives this object.
  explicit PlanSource(const SessionFlags& session) : session_(session) {}
  void AddTo(Flags& flags);

  // Reads the file that is named, if one is. What the flags of the session leave open (threads,
  // context, types of the cache) is from here on in `prepared.options` as the plan has it. Mistakes
  // of the file are explained at the console; errors: those of ReadWholeFile and ReadPlan.
  Status Read(Prepared& prepared, Console& console);

  // After Read, once. Errors: PLAN_MISMATCH; those of PlanSession.
  Result<SessionPlan> Plan(const Prepared& prepared);

 private:
  const SessionFlags& session_;
  std::optional<std::string> plan_path_;
  std::optional<tinyai::Plan> saved_;
};

}  // namespace tinyai
