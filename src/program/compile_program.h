#pragma once

#include "lang/costs.h"
#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/compiled_program.h"
#include "solve/search_limits.h"

namespace tinyai {

struct CompileOptions {
  Devices devices = UsualDevices();
  Costs costs;
  Diagnostics* cost_text = nullptr;  // where the costs are from, if they are from a file
  SearchLimits limits;
  bool pareto = false;  // finds the alternatives too
};

// Compiles the value program that `program` is about, with the schedule that `schedule` is about
// (null: the one in the same file if there is one, else none). All mistakes are reported there.
// Errors, all with exit code 7 and the text of the first mistake: PROGRAM_INVALID for the program,
// SCHEDULE_SYNTAX, SCHEDULE_AMBIGUOUS, SCHEDULE_UNKNOWN and SCHEDULE_IMPOSSIBLE for the schedule;
// SCHEDULE_AMBIGUOUS and COST_MODEL for costs that do not suffice for the program.
Result<CompiledProgram> CompileProgram(Diagnostics& program, Diagnostics* schedule,
                                       const CompileOptions& options);

}  // namespace tinyai
