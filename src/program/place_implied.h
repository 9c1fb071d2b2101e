#pragma once

#include <functional>
#include <vector>

#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Where the ops of an `if` have one place, its condition and what it merges are there too, if they
// are implied and can be: no schedule has fewer syncs for it. Visits these ops with that place,
// those of inner branches first; `place_of` gives the only place of an op if it has just one.
// `branch_of`: by region of the net.
using PlaceOfOp = std::function<std::optional<PlaceId>(NetOpId)>;
void EachUsualPlace(const Program& program, const TaskNet& net, const std::vector<NetWork>& work,
                    const std::vector<uint32_t>& branch_of, const PlaceOfOp& place_of,
                    const std::function<void(NetOpId, PlaceId)>& visit);

// Leaves them no other choice.
void PlaceImplied(const Program& program, const Wishes& wishes, ProgramNet& net);

}  // namespace tinyai
