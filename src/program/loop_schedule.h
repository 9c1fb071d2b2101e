#pragma once

#include <map>
#include <optional>
#include <string>

#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "program/compiled_program.h"

namespace tinyai {

// What a schedule says of the body of one loop.
struct LoopSchedule {
  Where where;  // of the first one that it is listed in
  std::optional<uint64_t> window;
  bool looks_back = false;  // some sync waits for the iteration before
  Schedule body;  // blocks, in an order in which no sync stands before its fence if there is one
};

// A place as schedules write it: "GPU.copy".
Place PlaceFromName(std::string name);

// What a place does in a loop, of whose body the text is there.
cmd::Loop LoopCommand(const CompiledProgram& body, const std::string& place);

// By the names of loops, those that `loop` commands list in a schedule, not those inside them. A1
// where two windows of one loop differ.
std::map<std::string, LoopSchedule> FindLoops(const Schedule& schedule, Diagnostics& out);

}  // namespace tinyai
