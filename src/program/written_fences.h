#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/compiled_program.h"
#include "program/wishes.h"

namespace tinyai {

// The fences of a plan as a schedule writes them.
struct WrittenFences {
  static constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<std::string> names;         // by fence
  std::vector<bool> given;                // by fence: the user wrote it
  std::vector<RegionId> regions;          // by fence: in which it stands
  std::vector<std::vector<uint32_t>> at;  // by place and command: the fence behind it, or kNone
};

// Those the user wrote keep their names. Others are called by their direction, seen from the place
// with effects: write, read, write2, .. They are recorded whichever arms are taken by who waits
// for them; in turns of a loop fences and syncs are passed whatever is taken.
WrittenFences WriteFences(const CompiledProgram& compiled, const Wishes& wishes);

}  // namespace tinyai
