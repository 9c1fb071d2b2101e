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
// Carries out what a place has to do in a loop: bodies[body].
struct Loop {
  uint32_t body = 0;
};
// Takes a carried value on: outs[0] is what `def` is.
struct Carry {
  enum class Step : uint8_t {
    kStart,   // around a loop: into what its first iteration starts with
    kOpen,    // at the start of an iteration: ins[0], of the one before
    kNext,    // at the end, where nothing else makes it
    kResult,  // around a loop: out of what its last iteration left
  };
  Step step = Step::kStart;
  DefId def{};
  DefId from{};       // kStart, kNext: what it is
  uint32_t body = 0;  // kResult: of which loop
};

}  // namespace work
using NetWork =
    std::variant<work::Evaluate, work::Print, work::Move, work::Mark, work::Loop, work::Carry>;

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
  // Of each loop that runs at several places: its syncs, and what no schedule can go below.
  struct LoopFigures {
    std::string name;
    uint64_t syncs = 0, fences = 0;  // of each turn
    uint64_t window = 1;             // iterations of a turn
    std::optional<uint64_t> iterations;
    double lower_bound = 0;            // syncs of an iteration
    std::vector<std::string> witness;  // a circle of names: s -> t -> s
  };
  std::vector<LoopFigures> loops;
};

// What makes a program the body of a loop whose iterations follow each other at several places at
// once. A turn is `window` iterations: what stands between syncs and fences is carried out for each
// of them in order before the next sync or fence. Values that turns make have a slot for each of
// their iterations.
struct LoopBody {
  uint32_t loop = 0;             // into the program's
  std::vector<uint32_t> around;  // loops around it that are planned so too, outermost first
  uint64_t window = 1;
  std::optional<uint64_t> wanted_window;  // as the user said
  bool widens = false;  // turns of several iterations could be, by what is asked of it
  Where where;          // of the schedule's command
  struct Carried {
    uint32_t carried = 0;  // into the loop's
    NetValueId before{};   // given: what the iteration before left, or the start
    NetValueId now{};      // in the first iteration of a turn
    NetValueId next{};     // at its end; shares its buffer with `before`
  };
  std::vector<Carried> carried;
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
  std::optional<LoopBody> body;           // where it is one
  // Of loops that run at several places at once. What lies in memory around them does so at the
  // same offsets in all.
  std::vector<CompiledProgram> bodies;

  // The value of the net that holds a def in a memory, if any does.
  std::optional<NetValueId> ValueOf(DefId def, MemoryId memory) const;
  // Of an op in the body of a `while` that is carried out only where it goes on: what says so.
  std::optional<NetValueId> TestOf(NetOpId op) const;
};

}  // namespace tinyai
