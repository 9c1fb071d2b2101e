#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lang/devices.h"
#include "lang/program.h"
#include "lang/schedule.h"
#include "plan/compile_net.h"
#include "plan/net_plan.h"
#include "plan/task_net.h"

namespace tinyai {

// What an op of the net does for the program.
namespace work {

// Computes an eval of the program; what it reads and writes lies in the buffers of the op's `ins`
// and `outs`, in the order of the eval's.
struct Evaluate {
  EvalId eval{};
  // Where the eval calls a class: which extern of it, one for each such node in order.
  std::vector<uint32_t> chosen = {};
  bool again = false;  // besides another op that does the same
};
// Prints values, each on a line of its own: "a = 7".
struct Print {
  std::vector<DefId> defs;
};
// Takes the value ins[0] to another memory, as outs[0].
struct Move {
  DefId def{};
};
// Nothing to do: the point of a queue where the user wrote a fence or a sync. Its syncs count.
struct Mark {
  bool frees = false;  // a value ends there, which is a reason to wait
};

}  // namespace work
using NetWork = std::variant<work::Evaluate, work::Print, work::Move, work::Mark>;

// How good the schedule is, and why there is none with fewer syncs.
struct Certificate {
  Bounded syncs, fences;
  uint64_t moved_bytes = 0;
  struct Peak {
    std::string memory;
    Bounded bytes;
  };
  std::vector<Peak> peaks;
  double makespan = 0, least_makespan = 0;  // seconds by the cost model
  // Where arms are not counted as if they were always carried out: as they are, and how.
  std::optional<PlanFigures> counted;
  NetObjective::Counting counting = NetObjective::Counting::kStatic;
  bool optimal = false;                           // the first term of the objective, and all ties
  std::vector<std::vector<std::string>> witness;  // paths of names: x -> a -> print(a)
  // Of loops placed iteration by iteration: what no order of them can go below, for each.
  struct LoopBound {
    std::string name;
    double syncs = 0;
    std::vector<std::string> witness;  // a circle of names: s -> t -> s
  };
  std::vector<LoopBound> loops;
};

// A way to carry the program out that no other one is better than or equal to in all terms.
struct Alternative {
  PlanFigures figures;
  std::vector<std::string> picked_by;  // objectives that like it best, as one writes them
  Schedule schedule;
};

// A program with every choice made: what is computed, where, in which order, which waits for which,
// and where each value lies. Nothing is left to decide when it runs: each place carries out
// plan.queues[place] in order; before a command it waits for the command's syncs; a command of a
// region runs only where the region's condition has the value of its arm, and so for the regions
// around it.
struct CompiledProgram {
  Program program;
  Devices devices;  // places and memories of the net, in the same order
  TaskNet net;
  NetPlan plan;
  std::vector<NetWork> work;  // by op of the net
  std::vector<DefId> def_of;  // by value of the net: what it holds
  std::vector<Span> origins;  // by op of the net: the schedule's line that asked for it, if any
  PlanFigures figures;        // in the terms of its objective
  PlannedNet details;         // what the planner says besides; its `plan` and `net` are empty
  Certificate certificate;
  Schedule schedule;  // the completed one: whoever compiles with it gets this again
  std::vector<Alternative> alternatives;  // on demand (CompileOptions::pareto), this one among them

  // The value of the net that holds a def in a memory, if any does.
  std::optional<NetValueId> ValueOf(DefId def, MemoryId memory) const;
};

}  // namespace tinyai
