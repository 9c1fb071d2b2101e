#pragma once

#include <optional>

#include "lang/devices.h"
#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/compile_net.h"

namespace tinyai {

// lex(syncs, fences, bytes, makespan, peak(RAM)), or one of these terms. Nothing, and reported,
// where it is none.
std::optional<NetObjective> ReadObjective(const Expr& written, const Devices& devices,
                                          Diagnostics& out);

}  // namespace tinyai
