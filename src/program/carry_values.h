#pragma once

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Before the order of lines is known to be possible: ops whose place the text says read what lines
// before them compute again or move to their memory.
void TakeListed(const Program& program, const Devices& devices, const SourceText& values,
                const Wishes& wishes, ProgramNet& net, Diagnostics& out);

// Says in which memory each value of a net lies whose ops have one place each, and of the values
// that hold the same thing which one each op reads: what its place computed again by the last line
// before it, else the first one that has not left its memory since (held_values.h). Where there is
// none in its memory, adds moves over the links that there are. What the text has in an order that
// makes a difference keeps it. False, and reported (I9), where there are not enough links, or what
// leaves a memory is not there.
bool CarryValues(const Program& program, const Devices& devices, const SourceText& values,
                 const Wishes& wishes, ProgramNet& net, Diagnostics& out);

}  // namespace tinyai
