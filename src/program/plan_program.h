#pragma once

#include "program/find_way.h"

namespace tinyai {

// Gives `compiled` a plan, and what belongs to it: places, moves, order, and how conditionals are
// carried out. `net` and `wishes` as the schedule says them, with the order of its lines. False,
// and reported in `out`, where there is none because of the schedule. Other errors: those of
// CompileNet.
Result<bool> PlanProgram(const PlanTask& task, ProgramNet net, Wishes& wishes, Diagnostics& out,
                         CompiledProgram& compiled);

}  // namespace tinyai
