#pragma once

#include "program/program_net.h"

namespace tinyai {

// Whether both arms of a branch may be computed whichever is taken, and the right results be
// selected afterwards: they only compute, nothing in them can trap or go on without end, and each
// of their values has a name of its own among those of its kind of arm.
bool CanSpeculate(const Program& program, const ProgramNet& net, size_t branch);
// Makes it so: what the arms hold belongs to what is around them.
void Speculate(size_t branch, ProgramNet& net);
// Whether an op of an arm has been made one of what is around.
bool IsSpeculated(const Program& program, const ProgramNet& net, NetOpId op);

// An eval that divides whole numbers by what may be 0.
bool MayTrap(const Eval& eval);

}  // namespace tinyai
