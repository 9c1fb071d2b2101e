#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

// Syncs between queues whose orders are given, for one run or for a loop whose body the queues
// repeat, each going on into the next iteration as soon as its waits allow.
namespace tinyai {

// Op `to` waits for the fence that follows op `from`, as recorded `distance` iterations before; in
// the first `distance` iterations it does not wait.
struct WaitEdge {
  uint32_t from = 0, to = 0;
  uint32_t distance = 0;  // 0 where there is no loop; at most kMostDistance
  bool operator==(const WaitEdge&) const = default;
};
constexpr uint32_t kMostDistance = 1u << 24;  // times the ops of a queue stays within 64 bits

class FixedQueues {
 public:
  // The ops of each place in order, every op from 0 to `ops` - 1 once.
  FixedQueues(std::vector<std::vector<uint32_t>> orders, uint32_t ops);

  uint32_t size() const { return static_cast<uint32_t>(place_.size()); }
  uint32_t places() const { return static_cast<uint32_t>(orders_.size()); }
  const std::vector<uint32_t>& order(uint32_t place) const { return orders_[place]; }
  uint32_t place(uint32_t op) const { return place_[op]; }
  uint32_t position(uint32_t op) const { return position_[op]; }  // in its queue, from 0

 private:
  std::vector<std::vector<uint32_t>> orders_;
  std::vector<uint32_t> place_, position_;
};

// What is known when an op is complete: how far each place is, by vector clocks.
class QueueClocks {
 public:
  // Before everything that is known.
  static constexpr int64_t kNever = INT64_MIN / 2;

  // Nothing if the edges and queues contradict each other: somebody would wait for ever. O(places
  // (ops + edges)); where edges have distances, a few times that.
  static std::optional<QueueClocks> Follow(const FixedQueues& queues,
                                           std::span<const WaitEdge> edges);

  // That so many ops of `place` are complete, counted from the start of the op's own iteration: not
  // above 0 for those of iterations before.
  int64_t Of(uint32_t op, uint32_t place) const { return clocks_[size_t{op} * places_ + place]; }
  // The ops in an order in which one iteration may run.
  const std::vector<uint32_t>& order() const { return order_; }

 private:
  friend class ClockSweep;
  size_t places_ = 0;
  std::vector<int64_t> clocks_;
  std::vector<uint32_t> order_;
};

// The fewest of the edges that imply all, without any order that they and the queues do not demand:
// their transitive reduction, which is unique (Krothapalli and Sadayappan 1991). Each needs one
// sync; those with the same `from` share the fence. In a loop an edge counts as implied only if it
// is in every iteration. By `to`, in the order of QueueClocks. Nothing where QueueClocks::Follow
// has none.
std::optional<std::vector<WaitEdge>> ReduceSyncs(const FixedQueues& queues,
                                                 std::span<const WaitEdge> edges);

}  // namespace tinyai
