#pragma once

#include <cstdint>
#include <vector>

#include "plan/net_plan.h"
#include "program/program_net.h"

namespace tinyai {

// Whether several iterations of a body can go through each of its places before any of them goes on
// at the next one: what goes from iteration to iteration stays at one place. Each op has its place.
bool CanWiden(const TaskNet& net);

// Makes the body of a loop that can be widened one for turns of `net.window` iterations: each value
// has a slot for each of them, and syncs stand once in a turn. Returns, by op, the number of the
// circle that it is in: what iterations hand to each other.
std::vector<uint32_t> Widen(ProgramNet& net);

// Whether all of each circle lies in one stretch of a queue between syncs and fences.
bool IsTogether(const std::vector<uint32_t>& circle_of, const NetPlan& plan);

}  // namespace tinyai
