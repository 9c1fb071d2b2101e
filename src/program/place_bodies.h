#pragma once

#include "program/compiled_program.h"

namespace tinyai {

// Gives the bodies of a planned program's loops their place in its memories: what is around them
// lies where that has put it, what they make behind all else. The heights and peaks grow by that.
void PlaceBodies(CompiledProgram& program);

}  // namespace tinyai
