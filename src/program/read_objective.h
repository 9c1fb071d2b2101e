#pragma once

#include <optional>

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/compile_net.h"

namespace tinyai {

// lex(syncs, fences, bytes, recomputed, makespan, peak(RAM)), one of these terms, or terms weighed
// against each other, in a list too: 3 * syncs + 2 * bytes. Nothing, and reported, where it is
// none. What is equal by these is decided as usual.
std::optional<NetObjective> ReadObjective(const Expr& written, const Devices& devices,
                                          Diagnostics& out);
// Appends the terms that it lacks.
void CompleteObjective(NetObjective& objective);

}  // namespace tinyai
