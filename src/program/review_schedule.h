#pragma once

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Reports prints at different places of which it is not determined who comes first (A6). `net`:
// with the order of lines.
void CheckPrintOrder(const Wishes& wishes, const ProgramNet& net, Diagnostics& out);

// Warns of places that a schedule asks for although, with that one left to the compiler, at most
// half as many syncs would do (W3). `net`: with the order of lines, before places are chosen.
void WarnOfPlaces(const Program& program, const Devices& devices, const Wishes& wishes,
                  const ProgramNet& net, Diagnostics& out);

// Warns of values that nobody uses although the program gives something out (W4), in the text of
// the program.
void WarnOfUnused(const Program& program, const Wishes& wishes, const ProgramNet& net,
                  Diagnostics& values);

// Warns of divisions by what may be 0 that may come before a print which has nothing to do with
// them (W5). `net`: that of the plan.
void WarnOfTraps(const Program& program, const Wishes& wishes, const CompiledProgram& compiled,
                 const SourceText& values, Diagnostics& out);

}  // namespace tinyai
