#pragma once

#include <vector>

#include "lang/costs.h"
#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "program/program_net.h"

namespace tinyai {

// Devices and costs from their files. Mistakes are reported; the error, with exit code 7, is the
// first of them: SCHEDULE_SYNTAX, SCHEDULE_AMBIGUOUS, SCHEDULE_UNKNOWN, SCHEDULE_IMPOSSIBLE, or
// COST_MODEL for what is negative or no number.
Result<Devices> ReadDevices(Diagnostics& out);
Result<Costs> ReadCosts(const Devices& devices, Diagnostics& out);

// Reports what the costs lack for this program (A8, where the objective names the makespan:
// `timed`), and costs that are negative or no number for its ops (I15).
void CheckCosts(const Program& program, const Devices& devices, const Costs& costs, bool timed,
                const ProgramNet& net, Diagnostics& out);

// By region of the net but 0: how often the costs say that its arm is taken; else half of the time.
std::vector<double> HowOften(const Program& program, const ProgramNet& net, const Costs& costs);
// W6: what is said of conditionals, and does not count.
void WarnOfBranches(const Program& program, const Costs& costs, NetObjective::Counting counting,
                    Diagnostics& out);

}  // namespace tinyai
