#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "plan/compile_net.h"
#include "plan/plan.h"
#include "plan/reasons.h"
#include "plan/task_net.h"

namespace tinyai {

struct NetLoop;

// A planned net with what people want to know around it. Everything that shows a plan starts from
// this; nothing here is needed to run one.
struct NetView {
  const TaskNet& net;  // outlives this, like the next
  const PlannedNet& planned;
  std::string title;
  uint64_t budget_bytes = 0;  // for everything; 0: none

  std::vector<std::string> kinds;  // what memory is for: "ring", "kv cache"
  std::vector<uint8_t> kind_of;    // by value of the net, into `kinds`
  struct Held {
    std::string name;
    uint64_t bytes;
  };
  std::vector<Held> held;         // beside the net's memories, all the time
  std::vector<PlanBuffer> areas;  // slots, caches, ...; may be empty
  // Where each memory begins among the areas' offsets; empty: one right behind the other.
  std::vector<uint64_t> memory_begins;
  uint64_t BeginOf(MemoryId memory) const;
  std::vector<Reason> reasons;
  std::string text;  // the plan as a schedule; empty: not shown
  std::vector<std::pair<std::string, std::string>> summary;  // lines of two words: what, how much
  std::vector<NetLoop> loops;  // that several places go round in together
};

// A loop in a net whose body is planned as a net of its own.
struct NetLoop {
  std::string name;              // "loop i"
  std::vector<NetOpId> members;  // what stands for it in the net around it, at each of its places
  uint64_t window = 1;           // iterations of a turn
  std::optional<uint64_t> iterations = {};
  NetView view;  // of one turn; it loops

  std::optional<uint64_t> turns() const;
  std::string Describe() const;  // "loop i, 100 iterations in turns of 64"
};
// The commands that stand for a loop.
std::vector<NetFence> CommandsOf(const NetView& view, const NetLoop& loop);

// Seconds from the first command of an iteration.
struct TimeSpan {
  double begin = 0, end = 0;
  bool operator==(const TimeSpan&) const = default;
};

// When commands run and values live, in one iteration of a loop that has settled, or in the whole
// of a net that does not loop.
class NetTimes {
 public:
  explicit NetTimes(const NetView& view) : NetTimes(view, view.planned.simulation.spans) {}
  // By these spans instead, which outlive this object: by place.
  NetTimes(const NetView& view, const std::vector<std::vector<SimulatedSpan>>& simulated);

  // Of a command that runs in this iteration; null of one that ran in the first only.
  const SimulatedSpan* span(PlaceId place, size_t command) const;
  double origin() const { return origin_; }  // when the first command begins, by the simulation
  double last_end() const { return last_end_; }
  // From the first op that writes a value to the last that needs it; `always`: never free.
  struct Life {
    TimeSpan span;
    bool always = false;
  };
  const std::vector<Life>& lives() const { return lives_; }  // by value

 private:
  void FindLives(const NetView& view);
  std::vector<std::vector<const SimulatedSpan*>> spans_;  // by place and command
  std::vector<const SimulatedSpan*> span_of_;             // by op
  double origin_ = 0, last_end_ = 0;
  std::vector<Life> lives_;
};

// Bytes that hold something, by kind, from `seconds` until the next point. Values that lie in the
// same bytes count once. In a loop that has settled, iterations overlap: what runs ahead of the
// next one is counted where it is.
struct MemoryPoint {
  double seconds = 0;
  std::vector<uint64_t> bytes;  // by kind
};
std::vector<MemoryPoint> MemoryOverTime(const NetView& view, const NetTimes& times);

// The causes of the syncs by place, command and sync, in the order of NetCommand::syncs.
class SyncCauses {
 public:
  explicit SyncCauses(const NetView& view);
  // "data" or "reuse" or "order"; what it waits for, and why.
  std::string Kind(PlaceId place, size_t command, size_t sync) const;
  std::string Text(PlaceId place, size_t command, size_t sync) const;

 private:
  const SyncCause* Find(PlaceId place, size_t command, size_t sync) const;
  const NetView& view_;
  std::vector<SyncCause> sorted_;
};

// "DISK after load blk.0.attn_q": what a fence means.
std::string FenceText(const NetView& view, uint32_t fence);

}  // namespace tinyai
