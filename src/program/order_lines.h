#pragma once

#include <vector>

#include "lang/diagnostics.h"
#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Adds to the net the order in which a schedule lists ops at each place. False, and reported, if
// that and what ops need of each other go round in a circle: I3, I4, I5, I11, I13, I16.
bool OrderLines(const Wishes& wishes, const Program& program, const Devices& devices,
                const SourceText& values, ProgramNet& net, Diagnostics& out);

// Adds what that means for ops that are not listed, where each op has one place: they come where
// the text of the whole schedule can name them, in front of or behind the lines of their place, and
// where closed blocks have room. False, and reported, where there is none (I8), or where a sync
// waits for what its place knows already (I6).
bool FitUnlisted(const Wishes& wishes, const Program& program, ProgramNet& net, Diagnostics& out);

}  // namespace tinyai
