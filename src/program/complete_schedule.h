#pragma once

#include <vector>

#include "program/compiled_program.h"
#include "program/wishes.h"

namespace tinyai {

// The whole plan as a schedule: what the user wrote, in the same order and at the same places, with
// everything that was added. Nothing where the text cannot be put in that order (a fault of ours).
Schedule CompleteSchedule(const CompiledProgram& compiled, const Wishes& wishes);

// "syncs 2 (lower bound 2: x -> a -> print(a)), fences 2, bytes 12, peak RAM 28 B, optimal"
std::string CertificateText(const Certificate& certificate);

}  // namespace tinyai
