#pragma once

#include "program/compiled_program.h"

namespace tinyai {

// Of the body of a loop: the most crossings between places for each iteration on any circle of what
// iterations need of each other (the maximum cycle ratio), and the circle. N iterations have at
// least about N times as many syncs, in any schedule with these places.
Certificate::LoopFigures BoundLoop(const CompiledProgram& body);

}  // namespace tinyai
