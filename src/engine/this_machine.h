#pragma once

#include "base/machine.h"

namespace tinyai {

// What there is now, with the rates that `tinyai doctor` left for it, if it did.
Machine ThisMachine();

}  // namespace tinyai
