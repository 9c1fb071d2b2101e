#pragma once

#include "program/compiled_program.h"

namespace tinyai {

// What can be proved about the plan of a program.
Certificate Certify(const CompiledProgram& compiled, const NetObjective& objective);

}  // namespace tinyai
