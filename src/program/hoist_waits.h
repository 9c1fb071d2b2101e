#pragma once

#include "plan/compile_net.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Where both arms of an `if` make a place wait for another one, or one of them and what comes
// after the `if`, one wait in front of it may do: adds a point to the net at which the place waits
// for all that they wait for in `planned`, a plan of it. Points that the schedule has itself are
// left alone. False if there is nothing of the kind.
bool HoistWaits(const PlannedNet& planned, const Wishes& wishes, ProgramNet& net);

}  // namespace tinyai
