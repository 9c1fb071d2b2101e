#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/schedule.h"
#include "plan/compile_net.h"
#include "program/program_net.h"

namespace tinyai {

// One command of a schedule, as ops of the net.
struct WishedLine {
  enum class Kind : uint8_t {
    kEvaluate,
    kPrint,
    kFence,
    kSync,
    kHandOff,  // sync in the block of the fence's own place
    kWait,     // what a hand-off brings at another place; stands nowhere in the text
    kAgain,    // recompute
    kMove,
    kPrefetch,
    kEvict,
    kPin,
    kFree,
  };
  Kind kind = Kind::kEvaluate;
  PlaceId place{};
  RegionId region{};
  NetOps ops;                              // in their order
  Boxed<std::string> fence;                // kFence
  Boxed<std::vector<std::string>> fences;  // kSync, kHandOff, kWait
  Boxed<std::vector<uint32_t>> distances;  // of these: iterations before; missing: none
  DefId def{};                             // kAgain to kFree: the value
  MemoryId memory{};                       // kMove to kFree: where it goes, leaves or stays
  Boxed<Place> to;                         // kMove: as written
  Span where;
  bool open_before = true;  // more may be put in front of it
  bool closed = false;      // it stands in a closed block
};

// What a schedule asks for, resolved.
struct Wishes {
  std::vector<WishedLine> lines;                 // in the order of the text
  std::vector<std::optional<uint32_t>> line_of;  // by op of the net
  std::vector<bool> open_end;                    // by place: more may follow its last line
  std::vector<bool> has_closed;                  // by place
  std::vector<Span> closed_at;                   // by place: its first closed block
  struct Fence {
    NetOpId mark{};
    PlaceId place{};
    RegionId region{};
    uint32_t line = 0;
    Span where;
    bool waited_for = false;
  };
  std::map<std::string, Fence, std::less<>> fences;
  struct Before {
    NetOpId first{}, second{};
    Span where;
  };
  std::vector<Before> befores;
  std::vector<bool> placed;           // by op, as far as it goes: the schedule fixes its place
  std::map<size_t, Expr> conditions;  // by branch: as the user wrote it
  std::optional<NetObjective> objective;
  std::string objective_text;  // as written
  NetObjective::Counting counting = NetObjective::Counting::kStatic;
  std::map<size_t, Span> budgets;   // by memory
  std::vector<uint32_t> branch_of;  // by region: into the program's branches

  // The line that lists an op; null if none does.
  const WishedLine* LineOf(NetOpId op) const {
    const auto line = Index(op) < line_of.size() ? line_of[Index(op)] : std::nullopt;
    return line ? &lines[*line] : nullptr;
  }
  bool IsPlaced(NetOpId op) const { return Index(op) < placed.size() && placed[Index(op)]; }
  void SetPlaced(NetOpId op) {
    if (Index(op) >= placed.size()) placed.resize(Index(op) + 1);
    placed[Index(op)] = true;
  }
};

// Resolves a schedule and adds to the net what it brings: prints, marks, fixed syncs, and the
// places it asks for. Mistakes are reported; the result means something only if there are none.
// `values`: the text of the program, for notes.
Wishes ReadWishes(const Program& program, const Devices& devices, const Costs& costs,
                  const Schedule& schedule, const SourceText& values, ProgramNet& net,
                  Diagnostics& out);

}  // namespace tinyai
