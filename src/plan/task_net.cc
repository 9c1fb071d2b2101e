#include "plan/task_net.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Invalid(std::string what) {
  return Fail(ErrorCode::kSchedule, "NET_INVALID", std::move(what));
}

class NetCheck {
 public:
  explicit NetCheck(const TaskNet& net) : net_(net) {}

  Status Run() {
    TRY(CheckPlaces());
    for (const NetLink& link : net_.links) TRY(CheckLink(link));
    TRY(CheckRegions());
    TRY(CheckValues());
    TRY(CheckOps());
    TRY(CheckSizes());
    for (const NetOrder& order : net_.orders) TRY(CheckOrder(order));
    for (const NetFixedSync& sync : net_.fixed_syncs) {
      TRY(CheckOrder({sync.recorder, sync.waiter, NetOrder::Kind::kUser, sync.distance}));
    }
    for (const NetOpId fence : net_.fixed_fences) {
      TRY(CheckOrder({fence, fence, NetOrder::Kind::kUser, 0}));
    }
    TRY(CheckAcyclic());
    return CheckFloor();
  }

 private:
  Status CheckPlaces() {
    least_budget_ = ~uint64_t{0};
    for (const NetMemory& memory : net_.memories) {
      least_budget_ = std::min(least_budget_, memory.budget_bytes);
      if (!IsPowerOfTwo(memory.alignment)) {
        return Invalid(fmt::format("memory {}: alignment {} is no power of two", memory.name,
                                   memory.alignment));
      }
    }
    for (const NetPlace& place : net_.places) {
      if (Index(place.memory) >= net_.memories.size()) {
        return Invalid(fmt::format("place {} has no memory", place.name));
      }
    }
    return {};
  }

  Status CheckLink(const NetLink& link) const {
    if (Index(link.from) >= net_.memories.size() || Index(link.to) >= net_.memories.size() ||
        Index(link.out) >= net_.places.size() || Index(link.back) >= net_.places.size()) {
      return Invalid("a link: a memory or place of it does not exist");
    }
    const std::string name = fmt::format("link {} -> {}", net_.memories[Index(link.from)].name,
                                         net_.memories[Index(link.to)].name);
    const auto is_at_an_end = [&](PlaceId place) {
      const MemoryId memory = net_.place(place).memory;
      return memory == link.from || memory == link.to;
    };
    if (link.from == link.to || !is_at_an_end(link.out) || !is_at_an_end(link.back)) {
      return Invalid(fmt::format("{}: its places have to be at its ends", name));
    }
    if (!std::isfinite(link.latency_seconds) || link.latency_seconds < 0 ||
        !std::isfinite(link.bytes_per_second) || link.bytes_per_second <= 0) {
      return Fail(ErrorCode::kSchedule, "COST_MODEL",
                  fmt::format("cost of {}: latency and rate have to be positive numbers", name));
    }
    return {};
  }

  Status CheckRegions() const {
    if (net_.regions.empty()) return Invalid("there is no region 0");
    for (size_t i = 1; i < net_.regions.size(); ++i) {
      const NetRegion& region = net_.regions[i];
      if (Index(region.parent) >= i) {
        return Invalid(fmt::format("region {}: its parent does not come before it", region.name));
      }
      if (region.condition && Index(*region.condition) >= net_.values.size()) {
        return Invalid(fmt::format("region {}: its condition does not exist", region.name));
      }
    }
    return {};
  }

  Status CheckValue(const NetValue& value) const {
    if (Index(value.memory) >= net_.memories.size()) {
      return Invalid(fmt::format("value {} has no memory", value.name));
    }
    const uint64_t reserved = net_.memories[Index(value.memory)].reserved_bytes;
    if (value.offset && (*value.offset > reserved || value.bytes > reserved - *value.offset)) {
      return Invalid(fmt::format("value {}: it does not lie within the reserved {} bytes",
                                 value.name, reserved));
    }
    if (!value.carried_from) return {};
    if (!net_.loops || !value.given || Index(*value.carried_from) >= net_.values.size()) {
      return Invalid(fmt::format("value {}: only what a loop is given can be carried, from a value",
                                 value.name));
    }
    if (net_.value(*value.carried_from).bytes != value.bytes) {
      return Invalid(fmt::format("value {}: what is carried into it has another size", value.name));
    }
    return {};
  }

  Status CheckValues() {
    for (const NetMemory& memory : net_.memories) AddSize(memory.reserved_bytes, memory);
    for (const NetValue& value : net_.values) {
      TRY(CheckValue(value));
      AddSize(value.bytes, net_.memories[Index(value.memory)]);
    }
    value_bytes_ = total_bytes_;
    return {};
  }

  void AddSize(uint64_t bytes, const NetMemory& memory) {
    total_bytes_ = Saturated(total_bytes_, Saturated(bytes, memory.alignment));
  }
  // Everything side by side stays far from overflow, alignment included, so no sum can wrap.
  Status CheckSizes() const {
    constexpr uint64_t kMostBytes = uint64_t{1} << 61;
    if (total_bytes_ <= kMostBytes) return {};
    return Invalid("its values and workspaces are too large to be added up");
  }

  // All that is asked of each, in one pass over what may be a large net.
  Status CheckOps() {
    made_.assign(net_.values.size(), false);
    in_order_ = net_.regions.size() == 1;
    for (const NetOp& op : net_.ops) {
      in_order_ = in_order_ && op.gang == 0;
      TRY(CheckIds(op));
      TRY(CheckChoices(op));
      for (const NetChoice& choice : op.choices) {
        AddSize(choice.workspace_bytes, net_.memories[Index(net_.place(choice.place).memory)]);
      }
      if (too_large_ == nullptr && !FitsSomewhere(op)) too_large_ = &op;
      for (const NetValueId in : op.ins) {
        const bool there = made_[Index(in)] || net_.value(in).given;
        in_order_ = in_order_ && there && !net_.value(in).carried_from;
      }
      for (const NetValueId out : op.outs) {
        const NetValue& value = net_.value(out);
        if (value.given) return Invalid(fmt::format("op {}: {} is given", op.name, value.name));
        if (made_[Index(out)]) return Invalid(fmt::format("value {} is made twice", value.name));
        made_[Index(out)] = true;
      }
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      if (made_[i] || net_.values[i].given) continue;
      return Invalid(fmt::format("value {} is made by no op", net_.values[i].name));
    }
    return {};
  }

  Status CheckIds(const NetOp& op) const {
    const auto exists = [&](NetValueId id) { return Index(id) < net_.values.size(); };
    if (!std::all_of(op.ins.begin(), op.ins.end(), exists) ||
        !std::all_of(op.outs.begin(), op.outs.end(), exists)) {
      return Invalid(fmt::format("op {}: a value of it does not exist", op.name));
    }
    if (Index(op.region) >= net_.regions.size()) {
      return Invalid(fmt::format("op {}: its region does not exist", op.name));
    }
    if (op.once && (!net_.loops || Index(op.region) != 0)) {
      return Invalid(fmt::format("op {}: only what a loop always does can be done once", op.name));
    }
    if (op.in_place && (op.ins.empty() || op.outs.empty())) {
      return Invalid(fmt::format("op {}: it has nothing to work on in place", op.name));
    }
    return {};
  }

  Status CheckChoices(const NetOp& op) const {
    if (op.choices.empty()) return Invalid(fmt::format("op {} has no place", op.name));
    for (const NetChoice& choice : op.choices) {
      if (Index(choice.place) >= net_.places.size()) {
        return Invalid(fmt::format("op {}: a place of it does not exist", op.name));
      }
      if (!std::isfinite(choice.seconds) || choice.seconds < 0) {
        return Fail(ErrorCode::kSchedule, "COST_MODEL",
                    fmt::format("cost of '{}' on {} is {}", op.name, net_.place(choice.place).name,
                                choice.seconds < 0 ? "negative" : "no number"));
      }
      if (op.effect != NetEffect::kNone && !net_.place(choice.place).effects) {
        return Invalid(
            fmt::format("op {}: {} has no effects", op.name, net_.place(choice.place).name));
      }
    }
    return {};
  }

  Status CheckOrder(const NetOrder& order) const {
    if (Index(order.earlier) < net_.ops.size() && Index(order.later) < net_.ops.size() &&
        (order.distance == 0 || net_.loops)) {
      return {};
    }
    return Invalid("an order names an op that does not exist, or an iteration without a loop");
  }

  // Kahn's algorithm, where the program's order is not one already; what is left over lies on or
  // behind a cycle.
  Status CheckAcyclic() const {
    const auto forward = [](const NetOrder& order) {
      return order.distance != 0 || order.earlier < order.later;
    };
    if (in_order_ && std::all_of(net_.orders.begin(), net_.orders.end(), forward)) return {};
    std::vector<NetNeed> needs = Needs(net_);
    std::erase_if(needs, [](const NetNeed& need) { return need.distance != 0; });
    JoinGangs(net_, needs);
    if (std::all_of(needs.begin(), needs.end(),
                    [](const NetNeed& need) { return need.earlier < need.later; })) {
      return {};
    }
    const NeedLists after = NeedLists::ByEarlier(needs, net_.ops.size());
    std::vector<uint32_t> missing(net_.ops.size(), 0);
    for (const NetNeed& need : needs) ++missing[Index(need.later)];
    std::vector<NetOpId> ready;
    for (size_t i = 0; i < net_.ops.size(); ++i) {
      if (missing[i] == 0) ready.push_back(NetOpId(i));
    }
    size_t done = 0;
    while (!ready.empty()) {
      const NetOpId op = ready.back();
      ready.pop_back();
      ++done;
      for (const NetNeed& need : after.of(op)) {
        if (--missing[Index(need.later)] == 0) ready.push_back(need.later);
      }
    }
    if (done == net_.ops.size()) return {};
    return Invalid(fmt::format("a cycle: {}", DescribeCycle(needs, missing)));
  }

  // Every op that is left over has one before it that is left over too: going back ends in a cycle.
  std::string DescribeCycle(const std::vector<NetNeed>& needs,
                            const std::vector<uint32_t>& missing) const {
    std::vector<size_t> before(net_.ops.size());
    for (const NetNeed& need : needs) {
      if (missing[Index(need.earlier)] != 0) before[Index(need.later)] = Index(need.earlier);
    }
    size_t at = 0;
    while (missing[at] == 0) ++at;
    for (size_t i = 0; i < net_.ops.size(); ++i) at = before[at];
    std::vector<size_t> cycle = {at};
    for (size_t op = before[at]; op != at; op = before[op]) cycle.push_back(op);
    std::string text = net_.ops[at].name;
    constexpr size_t kMostShown = 8;
    const size_t shown = std::min(cycle.size() - 1, kMostShown);
    for (size_t i = 0; i < shown; ++i) {
      text += " -> " + net_.ops[cycle[cycle.size() - 1 - i]].name;
    }
    return text + (shown + 1 < cycle.size() ? " -> .. -> " : " -> ") + net_.ops[at].name;
  }

  // Operands, results and workspace of one op lie in memory together, whatever the order.
  Status CheckFloor() const {
    if (too_large_ == nullptr) return {};
    const NetOp& op = *too_large_;
    const NetChoice* least = nullptr;
    uint64_t need = 0;
    for (const NetChoice& choice : op.choices) {
      const uint64_t bytes = BytesAtOnce(op, choice, net_.place(choice.place).memory);
      if (least != nullptr && bytes >= need) continue;
      least = &choice;
      need = bytes;
    }
    return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
                fmt::format("memory: every order needs at least {} bytes on {} at '{}' ({}); "
                            "need={} ({})",
                            need, net_.place(least->place).name, op.name, PartsOf(op, *least, need),
                            need, FormatByteSize(need)));
  }
  // Of what an op needs at once: operands, what it makes, workspace.
  std::string PartsOf(const NetOp& op, const NetChoice& choice, uint64_t all) const {
    NetOp made = op;
    made.ins.clear();
    const uint64_t without_ins = BytesAtOnce(made, choice, net_.place(choice.place).memory);
    std::string out;
    const auto add = [&](std::string_view what, uint64_t bytes) {
      if (bytes == 0) return;
      out += fmt::format("{}{} {}", out.empty() ? "" : " + ", what, FormatByteSize(bytes));
    };
    add("inputs", all - without_ins);
    add("output", without_ins - choice.workspace_bytes);
    add("workspace", choice.workspace_bytes);
    return out;
  }
  bool FitsSomewhere(const NetOp& op) const {
    return std::any_of(op.choices.begin(), op.choices.end(),
                       [&](const NetChoice& choice) { return Fits(op, choice); });
  }
  bool Fits(const NetOp& op, const NetChoice& choice) const {
    if (Saturated(value_bytes_, choice.workspace_bytes) <= least_budget_) return true;
    uint64_t most = choice.workspace_bytes;  // in any memory, and twice what is there twice
    for (const NetValueId in : op.ins) most = Saturated(most, net_.value(in).bytes);
    for (const NetValueId out : op.outs) most = Saturated(most, net_.value(out).bytes);
    if (most <= least_budget_) return true;
    for (size_t memory = 0; memory < net_.memories.size(); ++memory) {
      if (BytesAtOnce(op, choice, MemoryId(memory)) > net_.memories[memory].budget_bytes) {
        return false;
      }
    }
    return true;
  }

  static uint64_t Saturated(uint64_t a, uint64_t b) { return a > ~b ? ~uint64_t{0} : a + b; }
  uint64_t BytesAtOnce(const NetOp& op, const NetChoice& choice, MemoryId memory) const {
    uint64_t bytes = net_.place(choice.place).memory == memory ? choice.workspace_bytes : 0;
    const auto add = [&](NetValueId id) {
      if (net_.value(id).memory == memory) bytes = Saturated(bytes, net_.value(id).bytes);
    };
    NetOperands ins = op.ins;
    std::sort(ins.begin(), ins.end());
    ins.erase(std::unique(ins.begin(), ins.end()), ins.end());
    std::for_each(ins.begin(), ins.end(), add);
    for (size_t i = op.in_place ? 1 : 0; i < op.outs.size(); ++i) add(op.outs[i]);
    return bytes;
  }

  const TaskNet& net_;
  std::vector<bool> made_;
  bool in_order_ = false;      // every operand is there before its op, in program order
  uint64_t least_budget_ = 0;  // of any memory
  uint64_t total_bytes_ = 0;
  uint64_t value_bytes_ = 0;          // of these, of all values, one after the other
  const NetOp* too_large_ = nullptr;  // the first op that fits nowhere
};

}  // namespace

Status CheckNet(const TaskNet& net) { return NetCheck(net).Run(); }

RegionId CommonRegion(const TaskNet& net, RegionId a, RegionId b) {
  while (a != b) {
    RegionId& deeper = Index(a) > Index(b) ? a : b;
    deeper = net.regions[Index(deeper)].parent;
  }
  return a;
}

bool IsInside(const TaskNet& net, RegionId region, RegionId around) {
  for (;; region = net.regions[Index(region)].parent) {
    if (region == around) return true;
    if (Index(region) == 0) return false;
  }
}

void JoinGangs(const TaskNet& net, std::vector<NetNeed>& needs) {
  std::map<uint32_t, NetOpId> first;  // by gang
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (net.ops[i].gang != 0) first.try_emplace(net.ops[i].gang, NetOpId(i));
  }
  if (first.empty()) return;
  const auto join = [&](NetOpId& op) {
    if (net.op(op).gang != 0) op = first.at(net.op(op).gang);
  };
  for (NetNeed& need : needs) {
    join(need.earlier);
    join(need.later);
  }
  std::erase_if(needs, [](const NetNeed& need) { return need.earlier == need.later; });
}

std::vector<std::optional<NetOpId>> Makers(const TaskNet& net) {
  std::vector<std::optional<NetOpId>> makers(net.values.size());
  for (size_t i = 0; i < net.ops.size(); ++i) {
    for (const NetValueId out : net.ops[i].outs) makers[Index(out)] = NetOpId(i);
  }
  return makers;
}

std::vector<NetNeed> Needs(const TaskNet& net) {
  const std::vector<std::optional<NetOpId>> makers = Makers(net);
  std::vector<NetNeed> needs;
  needs.reserve(2 * net.ops.size());
  const auto need_value = [&](NetValueId id, NetOpId later) {
    if (const auto maker = makers[Index(id)]) needs.push_back({*maker, later, 0});
    if (!net.loops) return;  // nothing is carried
    const auto from = net.value(id).carried_from;
    if (!from || !makers[Index(*from)]) return;
    needs.push_back({*makers[Index(*from)], later, 1});
    // The two share their buffer.
    if (net.value(id).bytes != 0 && *makers[Index(*from)] != later)
      needs.push_back({later, *makers[Index(*from)], 0, NetNeed::Kind::kReuse});
  };
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const NetOp& op = net.ops[i];
    for (const NetValueId in : op.ins) need_value(in, NetOpId(i));
    EachCondition(net, op.region, [&](NetValueId id) { need_value(id, NetOpId(i)); });
  }
  for (const NetOrder& order : net.orders) {
    const bool reuse = order.kind == NetOrder::Kind::kReuse;
    needs.push_back({order.earlier, order.later, order.distance,
                     reuse ? NetNeed::Kind::kReuse : NetNeed::Kind::kOrder});
  }
  for (const NetFixedSync& sync : net.fixed_syncs) {
    needs.push_back({sync.recorder, sync.waiter, sync.distance, NetNeed::Kind::kOrder});
  }
  return needs;
}

template <typename Key>
NeedLists::NeedLists(const std::vector<NetNeed>& needs, size_t ops, Key key)
    : first_(ops + 1, 0), needs_(needs.size()) {
  for (const NetNeed& need : needs) ++first_[Index(key(need)) + 1];
  std::partial_sum(first_.begin(), first_.end(), first_.begin());
  std::vector<uint32_t> next(first_.begin(), first_.end() - 1);
  for (const NetNeed& need : needs) needs_[next[Index(key(need))]++] = need;
}
NeedLists NeedLists::ByEarlier(const std::vector<NetNeed>& needs, size_t ops) {
  return NeedLists(needs, ops, [](const NetNeed& need) { return need.earlier; });
}
NeedLists NeedLists::ByLater(const std::vector<NetNeed>& needs, size_t ops) {
  return NeedLists(needs, ops, [](const NetNeed& need) { return need.later; });
}

}  // namespace tinyai
