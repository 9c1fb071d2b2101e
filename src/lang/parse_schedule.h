#pragma once

#include "lang/diagnostics.h"
#include "lang/schedule.h"

namespace tinyai {

// Reads the source of `diagnostics` as a schedule file. All mistakes are reported, up to
// Diagnostics::kMostErrors; what could not be read is left out, so the result means something only
// if there are no errors. Linear in the length of the text; needs about 0.6 KB a command.
Schedule ParseSchedule(Diagnostics& diagnostics);

}  // namespace tinyai
