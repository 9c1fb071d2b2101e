#pragma once

#include <optional>
#include <vector>

#include "program/compiled_program.h"
#include "program/wishes.h"

namespace tinyai {

// The whole plan as a schedule: what the user wrote, in the same order and at the same places, with
// everything that was added; where the plan does not have that order, each place's lines in theirs.
// Nothing where queues wait for each other in a circle (a fault of ours).
std::optional<Schedule> CompleteSchedule(const CompiledProgram& compiled, const Wishes& wishes);

// "syncs 2 (lower bound 2: x -> a -> print(a)), fences 2, bytes 12, peak RAM 28 B, optimal"
std::string CertificateText(const Certificate& certificate);

}  // namespace tinyai
