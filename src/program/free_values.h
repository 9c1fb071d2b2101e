#pragma once

#include "lang/diagnostics.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Adds to a net what `free` says: all that reads a value in that memory, and what makes it there,
// comes before the line. Needs the memories that CarryValues finds. False, and reported, where
// something comes after the line that needs the value (I3), where that is made after a `free` or
// `evict` (I3), or where it is not there (I9).
bool EndFreed(const Program& program, const SourceText& values, const Wishes& wishes,
              ProgramNet& net, Diagnostics& out);

}  // namespace tinyai
