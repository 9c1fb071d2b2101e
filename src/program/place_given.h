#pragma once

#include <cstddef>
#include <optional>

#include "program/program_net.h"

namespace tinyai {

// Of the body of a loop: what is around it is there in each memory in which the first `ops` of the
// net read it, as a value for each; what is carried lies where it is made. `only`: the memory that
// all share. Each op has its place, and what ops make its memory.
void PlaceGiven(size_t ops, std::optional<MemoryId> only, ProgramNet& net);

}  // namespace tinyai
