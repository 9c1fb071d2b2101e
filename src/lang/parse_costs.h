#pragma once

#include "lang/costs.h"
#include "lang/diagnostics.h"

namespace tinyai {

// Reads a cost file (docs/language.md), as ParseDevices does device files. Codes besides those of
// schedules: A8 two costs for the same, I7 a name that a formula does not know, I15 a constant that
// is negative or no number.
Costs ParseCosts(Diagnostics& diagnostics);

}  // namespace tinyai
