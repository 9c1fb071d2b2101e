#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

// Ops that have places, and what makes them wait for each other. A place is one in-order queue; the
// words are those of docs/ARCHITECTURE.md: a fence is a point of a queue's timeline, a sync another
// queue's wait for it. A sync hands on all that the fence's queue knew at the fence, so what is
// known is a vector clock.
namespace tinyai {

struct SyncNet {
  struct Edge {
    uint32_t from = 0, to = 0;  // `to` starts after `from` is complete
    bool operator==(const Edge&) const = default;
  };

  uint32_t places = 0;
  std::vector<uint32_t> place;  // of each op; < places
  std::vector<Edge> edges;      // acyclic, between ops; may repeat

  uint32_t size() const { return static_cast<uint32_t>(place.size()); }
  bool Crosses(const Edge& edge) const { return place[edge.from] != place[edge.to]; }
};

// For each op a list of others: `of(v)`.
class OpLists {
 public:
  OpLists() = default;
  static OpLists Predecessors(const SyncNet& net);
  static OpLists Successors(const SyncNet& net);

  std::span<const uint32_t> of(uint32_t op) const {
    return std::span(items_).subspan(begin_[op], begin_[op + 1] - begin_[op]);
  }

 private:
  template <typename Key, typename Item>
  OpLists(const SyncNet& net, Key key, Item item);
  std::vector<uint32_t> begin_, items_;
};

// The ops such that every edge goes forward, smallest number first where there is a choice of what
// is ready; fewer than net.size() ops if there is a cycle. O((ops + edges) log ops).
std::vector<uint32_t> TopologicalOrder(const SyncNet& net);
// The ops of a cycle, in order; empty if there is none.
std::vector<uint32_t> FindCycle(const SyncNet& net);

struct SyncCommand {
  enum class Kind : uint8_t {
    kRun,    // id: op
    kFence,  // id: fence; signalled when all earlier commands of this queue are complete
    kSync,   // id: fence of another queue, which this queue waits for
  };
  Kind kind = Kind::kRun;
  uint32_t id = 0;
  bool operator==(const SyncCommand&) const = default;
};

struct SyncSchedule {
  std::vector<std::vector<SyncCommand>> queues;  // by place

  uint32_t CountOf(SyncCommand::Kind kind) const;
  uint32_t syncs() const { return CountOf(SyncCommand::Kind::kSync); }
  uint32_t fences() const { return CountOf(SyncCommand::Kind::kFence); }
};

// What is wrong with the schedule, if anything: an op missing, twice or on another place, a fence
// recorded twice or never, a dependence that nothing guarantees (V3), a sync on a fence that is
// known to have passed (V5), a wait that never ends (V6). Shares no code with the searches.
// `schedule` may be anything. O(commands places + edges).
std::optional<std::string> FindSyncFault(const SyncNet& net, const SyncSchedule& schedule);

}  // namespace tinyai
