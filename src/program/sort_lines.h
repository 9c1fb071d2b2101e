#pragma once

#include "program/wishes.h"

namespace tinyai {

// The lines of a loop's body, whose places go round at the same time, in an order that what ops
// need of each other allows; each place keeps its own. Where there is none they stay.
void SortLines(const TaskNet& net, Wishes& wishes);

}  // namespace tinyai
