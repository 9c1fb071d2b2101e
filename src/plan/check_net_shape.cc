#include "plan/check_net_shape.h"

#include <algorithm>
#include <map>

#include "fmt/format.h"

namespace tinyai {
namespace {

class ShapeChecker {
 public:
  ShapeChecker(const TaskNet& net, const NetPlan& plan) : net_(net), plan_(plan) {}

  Result<std::vector<CommandAt>> Check() {
    TRY(CheckCommands());
    TRY(CheckBuffers());
    TRY(CheckOps());
    if (net_.regions.size() > 1) TRY(CheckArms());
    return std::move(where_);
  }

 private:
  // That every id exists, and no op is done twice (V1).
  Status CheckCommands() {
    if (plan_.queues.size() != net_.places.size()) {
      return InvalidPlan("V7", "plan", "it has not one queue for each place");
    }
    where_.assign(net_.ops.size(), CommandAt{static_cast<uint32_t>(net_.places.size()), 0});
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t at = 0; at < plan_.queues[place].size(); ++at) {
        const NetCommand& command = plan_.queues[place][at];
        if (Index(command.op) >= net_.ops.size()) {
          return InvalidPlan("V1", net_.places[place].name,
                             fmt::format("command {} is of no op", at));
        }
        CommandAt& where = where_[Index(command.op)];
        if (where.place != net_.places.size()) {
          return InvalidPlan("V1", CommandNameOf(net_, plan_, place, at), "its op is there twice");
        }
        where = {static_cast<uint32_t>(place), static_cast<uint32_t>(at)};
        for (const NetSync& sync : command.syncs) TRY(CheckSync(sync, place, at));
      }
    }
    return {};
  }

  // V4: what is waited for is a point of a queue, which is passed whatever is left out.
  Status CheckSync(const NetSync& sync, size_t place, size_t at) const {
    if (sync.fence >= plan_.fences.size()) {
      return InvalidPlan("V4", CommandNameOf(net_, plan_, place, at),
                         "it waits for a fence that does not exist");
    }
    const NetFence& fence = plan_.fences[sync.fence];
    if (Index(fence.place) >= plan_.queues.size() ||
        fence.command >= plan_.queues[Index(fence.place)].size()) {
      return InvalidPlan("V4", CommandNameOf(net_, plan_, place, at),
                         "it waits for a fence after no command");
    }
    if (Index(fence.place) == place) {
      return InvalidPlan("V5", CommandNameOf(net_, plan_, place, at), "it waits for its own queue");
    }
    if (sync.distance != 0 && !net_.loops) {
      return InvalidPlan("V4", CommandNameOf(net_, plan_, place, at),
                         "it waits for an iteration, and there is no loop");
    }
    return {};
  }

  Status CheckBuffer(const NetBuffer& buffer, uint64_t bytes, const std::string& name) const {
    if (Index(buffer.memory) >= net_.memories.size()) {
      return InvalidPlan("V11", name, "it lies in no memory");
    }
    const NetMemory& memory = net_.memories[Index(buffer.memory)];
    const uint64_t height = plan_.heights[Index(buffer.memory)];
    if (buffer.bytes < bytes || buffer.offset > height || buffer.bytes > height - buffer.offset) {
      return InvalidPlan("V11", name, fmt::format("its bytes do not lie in {}", memory.name));
    }
    if (buffer.bytes != 0 && buffer.offset % memory.alignment != 0) {
      return InvalidPlan("V11", name, "it is not aligned");
    }
    return {};
  }

  Status CheckBuffers() const {
    if (plan_.value_buffers.size() != net_.values.size() ||
        plan_.workspaces.size() != net_.ops.size() ||
        plan_.heights.size() != net_.memories.size()) {
      return InvalidPlan("V11", "plan", "it has not one buffer for each value and op");
    }
    for (size_t i = 0; i < net_.memories.size(); ++i) {
      if (plan_.heights[i] > net_.memories[i].budget_bytes) {
        return InvalidPlan("V11", net_.memories[i].name,
                           fmt::format("{} bytes are more than its budget of {}", plan_.heights[i],
                                       net_.memories[i].budget_bytes));
      }
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      const NetBuffer& buffer = plan_.value_buffers[i];
      TRY(CheckBuffer(buffer, value.bytes, value.name));
      if (value.carried_from) {
        const NetBuffer& from = plan_.value_buffers[Index(*value.carried_from)];
        if (from.offset != buffer.offset || from.memory != buffer.memory) {
          return InvalidPlan("V11", value.name, "what is carried into it lies elsewhere");
        }
      }
      if (buffer.memory != value.memory || (value.offset && *value.offset != buffer.offset)) {
        return InvalidPlan("V11", value.name, "it does not lie where it has to");
      }
    }
    return {};
  }

  // V1 and V7: each is done, where it can be, in a workspace that is large enough.
  Status CheckOps() const {
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      const auto [place, at] = where_[i];
      if (place == net_.places.size()) {
        return InvalidPlan("V1", net_.ops[i].name, "it is never done");
      }
      const NetChoice* const choice = net_.ops[i].choice_at(PlaceId(place));
      if (choice == nullptr) {
        return InvalidPlan("V7", CommandNameOf(net_, plan_, place, at),
                           "its op cannot be done there");
      }
      TRY(CheckBuffer(plan_.workspaces[i], choice->workspace_bytes, net_.ops[i].name));
      if (plan_.workspaces[i].memory != net_.places[place].memory) {
        return InvalidPlan("V11", net_.ops[i].name, "its workspace lies in another memory");
      }
    }
    return {};
  }

  bool IsInside(RegionId region, RegionId around) const {
    while (region != around && Index(region) != 0) region = net_.regions[Index(region)].parent;
    return region == around;
  }

  // V12: what an arm makes is seen in that arm only, but by an op that merges: right behind the
  // `if` of one of its conditions, where it has a value whichever arm was taken.
  Status CheckArms() {
    std::vector<RegionId> made_in(net_.values.size());
    for (const NetOp& op : net_.ops) {
      for (const NetValueId out : op.outs) made_in[Index(out)] = op.region;
      if (op.moved_bytes == 0 || op.ins.size() != 1 || net_.regions.size() == 1) continue;
      for (const NetValueId out : op.outs) copied_.emplace(out, op.ins[0]);
    }
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      const NetOp& op = net_.ops[i];
      for (const NetValueId in : op.ins) {
        const RegionId arm = made_in[Index(in)];
        if (IsInside(op.region, arm) || (op.merges && MergesArm(op, arm, made_in))) continue;
        return InvalidPlan(
            "V12", CommandNameOf(net_, plan_, where_[i].place, where_[i].command),
            fmt::format("it sees {} of an arm that may not run", net_.value(in).name));
      }
    }
    return {};
  }
  bool MergesArm(const NetOp& op, RegionId id, const std::vector<RegionId>& made_in) const {
    const NetRegion& arm = net_.regions[Index(id)];
    const auto is_condition = [&](NetValueId in) {
      while (in != arm.condition) {  // or a copy of it, in another memory
        const auto copied = copied_.find(in);
        if (copied == copied_.end()) return false;
        in = copied->second;
      }
      return true;
    };
    if (arm.parent != op.region || std::none_of(op.ins.begin(), op.ins.end(), is_condition)) {
      return false;
    }
    return std::any_of(op.ins.begin(), op.ins.end(), [&](NetValueId in) {
      const NetRegion& other = net_.regions[Index(made_in[Index(in)])];
      const bool other_arm = Index(made_in[Index(in)]) != 0 && other.parent == arm.parent &&
                             other.condition == arm.condition && other.arm != arm.arm;
      return other_arm || (!is_condition(in) && IsInside(op.region, made_in[Index(in)]));
    });
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  std::vector<CommandAt> where_;             // by op
  std::map<NetValueId, NetValueId> copied_;  // by copy: what it is of
};

}  // namespace

tl::unexpected<Error> InvalidPlan(std::string_view rule, std::string_view where, std::string what) {
  return Fail(ErrorCode::kSchedule, "PLAN_INVALID", fmt::format("{}: {} [{}]", where, what, rule));
}

std::string CommandNameOf(const TaskNet& net, const NetPlan& plan, size_t place, size_t at) {
  return fmt::format("{} command {} ({})", net.places[place].name, at,
                     net.op(plan.queues[place][at].op).name);
}

Result<std::vector<CommandAt>> CheckNetShape(const TaskNet& net, const NetPlan& plan) {
  return ShapeChecker(net, plan).Check();
}

}  // namespace tinyai
