#pragma once

#include "program/program_net.h"

namespace tinyai {

// Whether both arms of a branch may be computed whichever is taken, with those of all branches in
// them, and the right results be selected afterwards: they only compute, and nothing in them can
// trap or go on without end.
bool CanSpeculate(const Program& program, const ProgramNet& net, size_t branch);
// Makes it so: what the arms hold belongs to what is around them.
void Speculate(size_t branch, ProgramNet& net);

// An eval that divides whole numbers by what may be 0.
bool MayTrap(const Eval& eval);

}  // namespace tinyai
