#pragma once

#include <string>

#include "json.h"
#include "program/compiled_program.h"

namespace tinyai {

// The alternatives of a program, a line each: what each takes, and which objectives pick it.
std::string ParetoTable(const CompiledProgram& compiled);
// The same, with the schedule of each.
Json ParetoToJson(const CompiledProgram& compiled);

}  // namespace tinyai
