#pragma once

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Who copies over a link.
PlaceId LinkPlace(const Devices& devices, const Devices::Link& link);
// The link over which a place moves values to a memory; null if it has none.
const Devices::Link* LinkFrom(const Devices& devices, PlaceId place, MemoryId to);
// The place that stands for a memory where a text names one.
PlaceId PlaceOf(const Devices& devices, MemoryId memory);

// Before the order of lines is known to be possible: listed ops read what lines before them compute
// again or move to their memory.
void TakeListed(const Program& program, const Devices& devices, const SourceText& values,
                const Wishes& wishes, ProgramNet& net, Diagnostics& out);

// Says in which memory each value of a net lies whose ops have one place each, and of the values
// that hold the same thing which one each op reads: what was computed there again or moved there
// by the last line before it, else the first one. Where there is none in its memory, adds moves
// over the links that there are. False, and reported (I9), where there are not enough.
bool CarryValues(const Program& program, const Devices& devices, const SourceText& values,
                 const Wishes& wishes, ProgramNet& net, Diagnostics& out);

}  // namespace tinyai
