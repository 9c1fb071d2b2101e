#include "program/widen_loop.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/checked.h"

namespace tinyai {
namespace {

// The strongly connected components of what ops need of each other, over all iterations (Tarjan
// 1972), without recursion. By op: the number of its component.
class Circles {
 public:
  explicit Circles(const TaskNet& net)
      : after_(NeedLists::ByEarlier(NeedsOfIterations(net), net.ops.size())),
        number_(net.ops.size(), 0),
        low_(net.ops.size(), 0),
        of_(net.ops.size(), kNone) {
    for (size_t op = 0; op < net.ops.size(); ++op) {
      if (number_[op] == 0) Search(op);
    }
  }
  const std::vector<uint32_t>& of() const { return of_; }
  uint32_t count() const { return count_; }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Frame {
    size_t op = 0, next = 0;
  };

  // Syncs that look back do so by turns.
  static std::vector<NetNeed> NeedsOfIterations(const TaskNet& net) {
    std::vector<NetNeed> needs = Needs(net);
    const auto given = needs.end() - static_cast<ptrdiff_t>(net.fixed_syncs.size());  // come last
    needs.erase(
        std::remove_if(given, needs.end(), [](const NetNeed& need) { return need.distance != 0; }),
        needs.end());
    return needs;
  }

  void Search(size_t root) {
    std::vector<Frame> frames = {Open(root)};
    while (!frames.empty()) {
      Frame& frame = frames.back();
      const auto needs = after_.of(NetOpId(frame.op));
      if (frame.next < needs.size()) {
        const size_t to = Index(needs[frame.next++].later);
        if (number_[to] == 0) {
          frames.push_back(Open(to));
        } else if (of_[to] == kNone) {
          low_[frame.op] = std::min(low_[frame.op], number_[to]);
        }
        continue;
      }
      const size_t op = frame.op;
      frames.pop_back();
      if (!frames.empty()) low_[frames.back().op] = std::min(low_[frames.back().op], low_[op]);
      if (low_[op] != number_[op]) continue;
      for (size_t member = kNone; member != op;) {
        member = stack_.back();
        stack_.pop_back();
        of_[member] = count_;
      }
      ++count_;
    }
  }
  Frame Open(size_t op) {
    number_[op] = low_[op] = ++numbers_;
    stack_.push_back(op);
    return {op, 0};
  }

  const NeedLists after_;
  std::vector<uint32_t> number_, low_;
  std::vector<uint32_t> of_;
  std::vector<size_t> stack_;
  uint32_t numbers_ = 0, count_ = 0;
};

class Widener {
 public:
  explicit Widener(ProgramNet& program_net)
      : out_(program_net), net_(program_net.net), circle_of_(Circles(net_).of()) {}

  std::vector<uint32_t> Run() {
    AddSlots();
    HoldTogether();
    net_.iterations = CeilDiv(net_.iterations, out_.window);
    net_.in_turns = true;
    return std::move(circle_of_);
  }

 private:
  PlaceId PlaceOf(NetOpId op) const { return net_.op(op).choices.front().place; }

  void AddSlots() {
    std::vector<bool> one(net_.values.size(), false);
    for (size_t i = 0; i < one.size(); ++i) one[i] = net_.values[i].given;
    for (const LoopBody::Carried& carried : out_.carried) {
      one[Index(carried.before)] = false;
      one[Index(carried.now)] = true;
    }
    for (size_t i = 0; i < one.size(); ++i) {
      NetValue& value = net_.values[i];
      if (one[i] || value.bytes == 0) continue;
      // All of what is carried lies alike, whatever memory it is copied from.
      uint64_t alignment = 8;
      for (const NetMemory& memory : net_.memories) {
        alignment = std::max(alignment, memory.alignment);
      }
      value.slots = out_.window;
      value.bytes = out_.window * RoundUp(value.bytes, alignment);
    }
    for (NetOp& op : net_.ops) {
      op.choices.front().seconds *= static_cast<double>(out_.window);
      op.moved_bytes *= out_.window;
    }
  }

  // Who reads what is carried, but in the first iteration of a turn, reads what another op has made
  // in the same turn: of its own circle in the iteration before, else in all of them.
  void HoldTogether() {
    const std::vector<std::optional<NetOpId>> makers = Makers(net_);
    for (const LoopBody::Carried& carried : out_.carried) {
      const uint32_t circle = circle_of_[Index(*makers[Index(carried.next)])];
      for (size_t i = 0; i < net_.ops.size(); ++i) {
        NetOp& op = net_.ops[i];
        bool reads = std::find(op.ins.begin(), op.ins.end(), carried.now) != op.ins.end();
        EachCondition(net_, op.region, [&](NetValueId id) { reads = reads || id == carried.now; });
        if (reads && circle_of_[i] != circle) op.ins.push_back(carried.next);
      }
    }
    // No sync or fence stands in a circle: all of it comes after what any of it needs, and before
    // what needs any of it.
    std::vector<std::vector<NetOpId>> members(net_.ops.size());
    for (size_t i = 0; i < net_.ops.size(); ++i) members[circle_of_[i]].push_back(NetOpId(i));
    for (uint32_t circle = 0; circle < members.size(); ++circle) {
      if (members[circle].size() == 1) continue;
      for (const NetOpId op : members[circle]) net_.ops[Index(op)].gang = circle + 1;
    }
    for (const NetNeed& need : Needs(net_)) {
      if (need.distance != 0 || PlaceOf(need.earlier) == PlaceOf(need.later)) continue;
      for (const NetOpId later : members[circle_of_[Index(need.later)]]) {
        if (later != need.later) AddOrder(need.earlier, later);
      }
      for (const NetOpId earlier : members[circle_of_[Index(need.earlier)]]) {
        if (earlier != need.earlier) AddOrder(earlier, need.later);
      }
    }
  }
  void AddOrder(NetOpId earlier, NetOpId later) {
    net_.orders.push_back({earlier, later, NetOrder::Kind::kUser, 0});
  }

  ProgramNet& out_;
  TaskNet& net_;
  std::vector<uint32_t> circle_of_;  // by op
};

}  // namespace

bool CanWiden(const TaskNet& net) {
  const bool loops =
      std::any_of(net.ops.begin(), net.ops.end(), [](const NetOp& op) { return op.gang != 0; });
  if (loops) return false;
  const Circles circles(net);
  std::vector<std::optional<PlaceId>> places(circles.count());
  for (size_t i = 0; i < net.ops.size(); ++i) {
    std::optional<PlaceId>& place = places[circles.of()[i]];
    const PlaceId own = net.ops[i].choices.front().place;
    if (place && *place != own) return false;
    place = own;
  }
  return true;
}

std::vector<uint32_t> Widen(ProgramNet& net) { return Widener(net).Run(); }

bool IsTogether(const std::vector<uint32_t>& circle_of, const NetPlan& plan) {
  std::vector<uint32_t> stretch_of(circle_of.size(), 0);
  std::vector<bool> fenced(circle_of.size(), false);
  for (const NetFence& fence : plan.fences) {
    fenced[Index(plan.queues[Index(fence.place)][fence.command].op)] = true;
  }
  uint32_t stretch = 0;
  for (const std::vector<NetCommand>& queue : plan.queues) {
    ++stretch;
    for (const NetCommand& command : queue) {
      if (!command.syncs.empty()) ++stretch;
      stretch_of[Index(command.op)] = stretch;
      if (fenced[Index(command.op)]) ++stretch;
    }
  }
  std::vector<uint32_t> of_circle(circle_of.size(), 0);
  for (size_t i = 0; i < circle_of.size(); ++i) {
    uint32_t& known = of_circle[circle_of[i]];
    if (known != 0 && known != stretch_of[i]) return false;
    known = stretch_of[i];
  }
  return true;
}

}  // namespace tinyai
