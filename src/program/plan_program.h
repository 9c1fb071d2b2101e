#pragma once

#include "lang/diagnostics.h"
#include "plan/compile_net.h"
#include "program/program_net.h"
#include "program/wishes.h"
#include "solve/search_limits.h"

namespace tinyai {

// What a program is planned for; all outlive the planning.
struct PlanTask {
  const Program& program;
  const Devices& devices;
  const SourceText& values;  // the program's text, for notes
  NetObjective objective;
  SearchLimits limits;
  bool weighs_branches = false;  // looks for the cheapest way to carry conditionals out
};

// Gives `compiled` a plan, and what belongs to it: places, moves, order, and how conditionals are
// carried out. `net` and `wishes` as the schedule says them, with the order of its lines. False,
// and reported in `out`, where there is none because of the schedule. Other errors: those of
// CompileNet.
Result<bool> PlanProgram(const PlanTask& task, ProgramNet net, Wishes& wishes, Diagnostics& out,
                         CompiledProgram& compiled);

}  // namespace tinyai
