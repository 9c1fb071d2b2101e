#pragma once

#include <optional>
#include <span>
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

  // Of loops in it that are planned by themselves, by body: their ops.
  struct Placed {
    uint32_t loop = 0;                     // into the program's
    std::vector<NetOpId> members;          // a gang, one for each place that has something to do
    std::vector<NetOpId> starts, results;  // by what is carried
  };
  std::vector<Placed> placed;
  std::optional<uint32_t> loop;            // of a body: into the program's
  uint64_t window = 1;                     // of a body: iterations of a turn
  bool widens = false;                     // of a body: as LoopBody's
  std::vector<LoopBody::Carried> carried;  // of a body
  // Of the body of a `while`: whether it goes on. Read by all that is done only then.
  std::optional<NetValueId> test;

  // The op that makes a def; nothing if there is none, since it is given.
  std::optional<NetOpId> MakerOf(const Program& program, DefId def) const;

  NetValueId AddValue(const Program& program, DefId id);
  // The value of a def; of one from around the body a given one.
  NetValueId ValueOf(const Program& program, DefId id);
  // What a place's part of a planned loop reads around it; the loop's starts are there.
  NetOperands LoopOperands(const Program& program, const CompiledProgram& body, const Placed& of,
                           PlaceId place);
  NetOpId AddMark(PlaceId place, RegionId region, std::string name);
  NetOpId AddPrint(const Program& program, std::vector<DefId> defs, PlaceId place, RegionId region);
  // Does what `op` does once more, as values of its own.
  NetOpId AddAgain(NetOpId op, NetChoice choice, RegionId region);
  // Takes a value to a memory, as a value of its own.
  NetOpId AddMove(NetValueId value, MemoryId to, PlaceId place, RegionId region, double seconds);
};

// What of a program a net is of: all of it, or the body of a loop.
struct NetScope {
  const LoopBody* body = nullptr;
  std::span<const CompiledProgram> bodies = {};  // planned already: loops in it
};

// `devices` has at least one place with effects.
ProgramNet BuildProgramNet(const Program& program, const Devices& devices, const Costs& costs,
                           const NetScope& scope = {});

// As schedules call a loop: by the name of its index, or, of a `while`, of what it carries first.
std::string LoopName(const Program& program, const ProgramLoop& loop);

// Of a whole number that the text says: which.
std::optional<int64_t> ConstantOf(const Program& program, DefId def);

// What of the values around a planned body a place reads in it, each once.
std::vector<NetValueId> GivenReadAt(const CompiledProgram& body, PlaceId place);

// Where a planned body makes what it carries on.
PlaceId PlaceOfNext(const CompiledProgram& body, const LoopBody::Carried& one);

// How long a planned loop takes that goes round so often: its first turn, and those that follow it
// as close as they can.
double LoopSeconds(const CompiledProgram& body, double trips);

// Whether a place of the devices can carry the eval out.
bool CanRun(const Program& program, const Eval& eval, const Devices& devices, uint32_t place);

}  // namespace tinyai
