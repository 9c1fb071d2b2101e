#pragma once

#include <vector>

#include "program/compiled_program.h"

namespace tinyai {

// For each loop whose iterations are placed one by one, what its iterations make places wait for
// each other: the most crossings between places for each iteration on any circle of what the
// iterations need of each other (the maximum cycle ratio), so that N iterations have at least about
// N times as many syncs. Loops without any are left out.
std::vector<Certificate::LoopBound> BoundLoops(const CompiledProgram& compiled);

}  // namespace tinyai
