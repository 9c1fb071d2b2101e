#pragma once

#include "base/machine.h"

namespace tinyai {

// What there is now, with the rates that `tinyai doctor` left for it, if it did; `threads`: for no
// more than so many, 0: all.
Machine ThisMachine(uint32_t threads = 0);

}  // namespace tinyai
