#pragma once

#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Where the ops of an `if` have one place, its condition and what it merges are there too, if they
// are implied and can be: no schedule has fewer syncs for it. Leaves in `wishes.usual_places` where
// implied ops are when nobody says it.
void PlaceImplied(const Program& program, ProgramNet& net, Wishes& wishes);

}  // namespace tinyai
