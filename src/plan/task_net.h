#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

enum class NetValueId : uint32_t {};
enum class NetOpId : uint32_t {};
enum class PlaceId : uint32_t {};
enum class MemoryId : uint32_t {};
enum class RegionId : uint32_t {};

// Where bytes lie.
struct NetMemory {
  std::string name;
  uint64_t budget_bytes = ~uint64_t{0};
  uint64_t alignment = 1;       // of every buffer, a power of two
  uint64_t reserved_bytes = 0;  // from the start: for values whose offset is given
};

// Who works: one in-order queue, which computes in one memory.
struct NetPlace {
  std::string name;
  MemoryId memory{};
  bool effects = false;  // may read input, print and give output
};

// Commands that are carried out or left out together: one arm of an `if`. Region 0 is the whole net
// and always carried out. Two regions with the same parent and condition are the two arms of one
// `if`.
struct NetRegion {
  std::string name;
  RegionId parent{};
  std::optional<NetValueId> condition;  // none: decided by the caller, for each pass
  bool arm = true;                      // carried out where the condition is this
};

// Something with bytes. It is made by one op, or there from the beginning.
struct NetValue {
  std::string name;
  uint64_t bytes = 0;
  uint64_t slots = 1;   // of the same size, for as many of them; nothing to the planner
  bool given = false;   // there before the first op
  bool wanted = false;  // has to be there after the last op
  // In a loop: what this value, which is `given` in the first iteration, becomes in the next one.
  // The two share one buffer.
  std::optional<NetValueId> carried_from;
  // Where it has to lie, within the reserved bytes of its memory: slots of a ring, weights that
  // stay. The others' offsets are chosen.
  std::optional<uint64_t> offset;
  MemoryId memory{};
};

// One way to carry an op out.
struct NetChoice {
  PlaceId place{};
  double seconds = 0;
  uint64_t workspace_bytes = 0;
};

enum class NetEffect : uint8_t { kNone, kInput, kPrint };

// As long as most are, they lie in their op: large nets do not fit a cache.
using NetOperands = absl::InlinedVector<NetValueId, 4>;
using NetResults = absl::InlinedVector<NetValueId, 2>;
using NetChoices = absl::InlinedVector<NetChoice, 1>;
using NetOps = absl::InlinedVector<NetOpId, 4>;

// Something to compute or to move. Loads, copies and spills are ops like any other. Two lines of a
// cache each, so that to fetch one ahead is to fetch two.
struct alignas(64) NetOp {
  std::string name;
  NetOperands ins;
  NetResults outs;
  NetChoices choices;  // one for each place that can
  RegionId region{};
  NetEffect effect = NetEffect::kNone;
  bool in_place = false;  // outs[0] may take the buffer of ins[0] if nothing needs that afterwards
  bool once = false;      // in a loop: only in the first iteration
  bool merges = false;    // outs[0] is the one of ins that an arm has made: it may see into arms
  // Ops of the same gang count as one: what one of them needs has ended before any of them starts.
  // At several places they run at the same time and wait for each other while they do; at one place
  // they follow each other, and nobody waits for one of them alone. 0: none.
  uint32_t gang = 0;
  uint64_t moved_bytes = 0;

  // Null if it cannot be done there.
  const NetChoice* choice_at(PlaceId place) const {
    for (const NetChoice& choice : choices) {
      if (choice.place == place) return &choice;
    }
    return nullptr;
  }
};

// `later` starts after `earlier` has ended, of `distance` iterations before.
struct NetOrder {
  enum class Kind : uint8_t { kUser, kEffect, kReuse };
  NetOpId earlier{}, later{};
  Kind kind = Kind::kUser;
  uint32_t distance = 0;
};

// A sync that is given: right before `waiter` its place waits for the point right after `recorder`,
// an op of another place.
struct NetFixedSync {
  NetOpId recorder{}, waiter{};
  uint32_t distance = 0;  // iterations before
};

// How values may be taken from one memory to another and back: each way is an op, on a place that
// computes in one of the two.
struct NetLink {
  MemoryId from{}, to{};
  PlaceId out{}, back{};
  double latency_seconds = 0;
  double bytes_per_second = 0;
};

// What the planner plans: a program, or one pass of a model. With `loops`, the net is the body of a
// loop without end: each iteration carries out every op once, and iterations overlap as far as the
// edges let them. Plain data; CheckNet says whether it makes sense.
struct TaskNet {
  std::vector<NetMemory> memories;
  std::vector<NetPlace> places;
  std::vector<NetRegion> regions;  // at least one
  std::vector<NetValue> values;
  std::vector<NetOp> ops;  // in program order
  std::vector<NetOrder> orders;
  std::vector<NetFixedSync> fixed_syncs;
  std::vector<NetOpId>
      fixed_fences;  // a fence is right after each, whether or not it is waited for
  std::vector<NetLink> links;
  double fence_seconds = 0;  // for which a fence keeps its place busy
  double sync_seconds = 0;   // the same, behind the fence that is waited for
  bool loops = false;
  uint64_t iterations = 0;  // of the loop, where it ends and that is known
  // An iteration is a turn of several: places wait for turns before only where they begin one, and
  // what stands in arms is passed whether or not that turn takes them.
  bool in_turns = false;

  const NetValue& value(NetValueId id) const { return values[Index(id)]; }
  const NetOp& op(NetOpId id) const { return ops[Index(id)]; }
  const NetPlace& place(PlaceId id) const { return places[Index(id)]; }
};

// For a pass that looks at one op after the other, in an order that is not that of memory: has
// those fetched that come soon. `op_of`: the op of an element of `order`. (Not inlined, GCC takes
// this for a function without effect and leaves the call out.)
template <typename Order, typename OpOf>
[[gnu::always_inline]] inline void FetchAhead(const TaskNet& net, const Order& order, size_t at,
                                              OpOf op_of) {
  constexpr size_t kAhead = 16;
  if (at + kAhead >= order.size()) return;
  const NetOp& op = net.op(op_of(order[at + kAhead]));
  __builtin_prefetch(&op.ins);
  __builtin_prefetch(&op.moved_bytes);
}
[[gnu::always_inline]] inline void FetchAhead(const TaskNet& net, const std::vector<NetOpId>& order,
                                              size_t at) {
  FetchAhead(net, order, at, [](NetOpId op) { return op; });
}

// Whether a net can be planned at all. Errors: NET_INVALID (exit 7) naming op or value: an id that
// does not exist, a value that nobody makes or two make, a cycle, an op without a place, a link
// between the wrong memories, sizes whose sum overflows; COST_MODEL for a cost that is negative or
// no number; BUDGET_INFEASIBLE (exit 4) naming the op and the bytes that it
// needs at once where these are more than the budget.
Status CheckNet(const TaskNet& net);

// Visits the values that decide whether an op of this region is carried out: the conditions of the
// region and of those around it.
template <typename Visit>
void EachCondition(const TaskNet& net, RegionId region, Visit visit) {
  for (; Index(region) != 0; region = net.regions[Index(region)].parent) {
    if (const auto& condition = net.regions[Index(region)].condition) visit(*condition);
  }
}

// The innermost region around both.
RegionId CommonRegion(const TaskNet& net, RegionId a, RegionId b);
// Whether a region is the other one, or an arm somewhere in it.
bool IsInside(const TaskNet& net, RegionId region, RegionId around);

// The op that makes each value; nothing for given ones. Of a net that CheckNet accepted.
std::vector<std::optional<NetOpId>> Makers(const TaskNet& net);

// What must have ended before an op starts: data, orders, and carried values. kReuse: `later`
// writes where something lies that `earlier` still uses.
struct NetNeed {
  enum class Kind : uint8_t { kData, kOrder, kReuse };
  NetOpId earlier{}, later{};
  uint32_t distance = 0;
  Kind kind = Kind::kData;
  friend bool operator==(const NetNeed&, const NetNeed&) = default;
};
std::vector<NetNeed> Needs(const TaskNet& net);

// Lets the first op of each gang stand for all of it.
void JoinGangs(const TaskNet& net, std::vector<NetNeed>& needs);

// Needs by one of their ops.
class NeedLists {
 public:
  static NeedLists ByEarlier(const std::vector<NetNeed>& needs, size_t ops);
  static NeedLists ByLater(const std::vector<NetNeed>& needs, size_t ops);

  std::span<const NetNeed> of(NetOpId op) const {
    return std::span(needs_).subspan(first_[Index(op)], first_[Index(op) + 1] - first_[Index(op)]);
  }

 private:
  template <typename Key>
  NeedLists(const std::vector<NetNeed>& needs, size_t ops, Key key);
  std::vector<uint32_t> first_;  // by op
  std::vector<NetNeed> needs_;
};

}  // namespace tinyai
