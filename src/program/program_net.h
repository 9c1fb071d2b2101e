#pragma once

#include <optional>
#include <vector>

#include "lang/costs.h"
#include "lang/devices.h"
#include "lang/program.h"
#include "plan/task_net.h"
#include "program/compiled_program.h"

namespace tinyai {

// A program as the planner sees it: an op for each eval that is no part of a loop or a function,
// with every place that can do it.
struct ProgramNet {
  TaskNet net;
  std::vector<NetWork> work;                        // by op
  std::vector<DefId> def_of;                        // by value
  std::vector<std::optional<NetOpId>> op_of;        // by eval
  std::vector<std::optional<NetValueId>> value_of;  // by def
  std::vector<RegionId> region_of;  // by scope; 0 for those inside loops and functions
  std::vector<uint32_t> branch_of;  // by region but 0: into the program's branches

  NetOpId AddMark(PlaceId place, RegionId region, std::string name);
  NetOpId AddPrint(const Program& program, std::vector<DefId> defs, PlaceId place, RegionId region);
  // Does what `op` does once more, as values of its own.
  NetOpId AddAgain(NetOpId op, NetChoice choice, RegionId region);
  // Takes a value to a memory, as a value of its own.
  NetOpId AddMove(NetValueId value, MemoryId to, PlaceId place, RegionId region, double seconds);
};

// `devices` has at least one place with effects.
ProgramNet BuildProgramNet(const Program& program, const Devices& devices, const Costs& costs);

// Whether a place of the devices can carry the eval out.
bool CanRun(const Program& program, const Eval& eval, const Devices& devices, uint32_t place);

}  // namespace tinyai
