#pragma once

#include <map>

#include "program/held_values.h"

namespace tinyai {

// Where a place computes a condition again before all that its `if` has it do, and nobody else has
// anything to do in the arms, what it computed decides which is taken: it waits for nobody. Of the
// first `ops` of a net. The conditions of the regions change; which they are, by branch of the
// program, is what merges them reads as well. All other merges read a condition as it was first.
std::map<uint32_t, NetValueId> DecideArms(const Program& program, size_t ops, HeldValues& held,
                                          ProgramNet& net);

}  // namespace tinyai
