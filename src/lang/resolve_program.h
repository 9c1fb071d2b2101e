#pragma once

#include "lang/diagnostics.h"
#include "lang/program.h"

namespace tinyai {

// Reads the source of `diagnostics` as a value program, or the `value` part of a file that holds
// both. All mistakes are reported, up to Diagnostics::kMostErrors; the result means something only
// if there are no errors. Linear in the length of the text, but for functions that become part of
// their callers.
Program ResolveProgram(Diagnostics& diagnostics);

}  // namespace tinyai
