#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "lang/diagnostics.h"
#include "program/find_way.h"

namespace tinyai {

// Iterations of a turn: a GPU has kernels bound for each.
inline constexpr uint64_t kMostWindow = 1024;

// One of `compiled.bodies` again, with turns of so many iterations.
using BodyCompiler = std::function<Result<CompiledProgram>(size_t body, uint64_t window)>;

// Plans what the loops in `compiled.bodies` are part of, and how many iterations each of them does
// in a turn: as many as the user says, else as many as there is memory for. Errors: as for
// PlanProgram; the first mistake where there is no plan because of the schedule.
// `looks_back`: by body, whether its text waits for the iteration before; then a turn is one if the
// user does not say otherwise.
Status PlanWithWindows(const PlanTask& task, const BodyCompiler& compile,
                       const std::vector<bool>& looks_back, ProgramNet net, Wishes& wishes,
                       Diagnostics& out, CompiledProgram& compiled);

}  // namespace tinyai
