#pragma once

#include "lang/devices.h"
#include "lang/diagnostics.h"

namespace tinyai {

// Reads a device file (docs/language.md). Mistakes are reported, and reading goes on behind each;
// the result means something only if there are none. Codes besides those of schedules: A9 what is
// declared twice, I7 what is not declared, I15 a link whose time is no number.
Devices ParseDevices(Diagnostics& diagnostics);

}  // namespace tinyai
