#pragma once

namespace tinyai {

// From here on the code of the program and its libraries is read from disk by the page, as it is
// needed, and no longer with what lies around it. Where memory is so tight that the system drops
// such pages, reading ahead (128 KiB, on some systems 8 MiB) would drop as much again for each.
// Affects speed only; it cannot fail in a way that matters.
void ReadProgramByThePage();

}  // namespace tinyai
