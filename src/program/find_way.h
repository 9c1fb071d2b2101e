#pragma once

#include <functional>
#include <optional>
#include <string>

#include "lang/costs.h"
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
  const Costs& costs;
  const SourceText& values;  // the program's text, for notes
  NetObjective objective;
  SearchLimits limits;
  bool explores = false;            // looks for better places, arms and ops computed again
  bool pareto = false;              // keeps what no other way is better than in all terms
  std::string objective_text = {};  // as it was written; empty: it was not
  const std::vector<CompiledProgram>* bodies = nullptr;  // of loops in it, with their texts
  const LoopBody* body = nullptr;                        // where it is one
};

// One way to carry a program out.
struct Way {
  ProgramNet net;
  Wishes wishes;
  PlannedNet planned;
  PlanFigures figures;
};
using WayVisitor = std::function<void(const ProgramNet&, const Wishes&, const PlannedNet&)>;

// Plans `way`, of which net and wishes are given, as the schedule says them: first its places, then
// what has to be moved, then the rest. False, and reported in `out`, where there is no plan because
// of the schedule. Other errors: those of CompileNet. `visit` sees all plans that were chosen from.
Result<bool> FindWay(const PlanTask& task, const WayVisitor& visit, Way& way, Diagnostics& out);

// In the terms of the task's objective; what loops do counts as often as they do it.
PlanFigures FiguresOf(const PlanTask& task, const ProgramNet& net, const PlannedNet& planned);

// Of the body of a loop: what is around it lies, one after the other, in memory that is reserved
// for it, until that is planned too.
void LayOutGiven(TaskNet& net);

// Takes a way over into what is compiled.
void Adopt(PlannedNet planned, ProgramNet net, Wishes& wishes, CompiledProgram& out);
// The text that says it; nothing if there is none.
std::optional<Schedule> Written(const PlanTask& task, Way way);

}  // namespace tinyai
