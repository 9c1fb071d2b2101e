#pragma once

#include "solve/first_fit.h"
#include "solve/sections.h"

namespace tinyai {

// Whether one item fits exactly where another one was: the values of a program of plain numbers.
bool HasOneSize(const Sections& sections);

// Such items, as low as can be, in linear time: who is born takes the slot that was given up last
// (the left-edge algorithm, Hashimoto and Stevens 1971).
FitResult FitOneSize(const Sections& sections);

}  // namespace tinyai
