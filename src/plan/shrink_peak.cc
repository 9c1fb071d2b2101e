#include "plan/shrink_peak.h"

#include <algorithm>

#include "base/checked.h"
#include "fmt/format.h"
#include "plan/order_usage.h"

namespace tinyai {
namespace {

// Positions, values and operands gone through; kNormal ends in about a second.
constexpr uint64_t kFastWork = 20'000'000, kNormalWork = 500'000'000, kExactWork = 50'000'000'000;

// A way to end a value's life for a while.
struct Change {
  NetValueId value{};
  size_t last = OrderUsage::kNone,
         next = 0;  // positions of its uses around; OrderUsage::kNone: it is given, and unused
  const NetLink* link = nullptr;  // none: made again
  uint64_t freed_bytes = 0;
  double seconds = 0;

  bool IsBetterThan(const Change& other) const {
    const double mine = seconds * static_cast<double>(other.freed_bytes);
    const double theirs = other.seconds * static_cast<double>(freed_bytes);
    if (mine != theirs) return mine < theirs;
    return freed_bytes > other.freed_bytes;
  }
};

class PeakShrinker {
 public:
  PeakShrinker(const TaskNet& net, const NetDraft& draft, const SearchLimits& limits)
      : limits_(limits), ops_(net.ops.size()) {
    out_.net = net;
    out_.draft = draft;
    for (const NetMemory& memory : net.memories) targets_.push_back(memory.budget_bytes);
    work_ = limits.effort == Effort::kFast     ? kFastWork
            : limits.effort == Effort::kNormal ? kNormalWork
                                               : kExactWork;
  }

  ShrunkNet Run() {
    Pack();
    ShrunkNet best = out_;
    // Buffers may take more than what lives at the worst moment: then that has to be less.
    constexpr int kMostTightenings = 16;
    for (int i = 0; i < kMostTightenings && !best.fits; ++i) {
      const size_t before = out_.added.size();
      Shrink();
      if (out_.added.size() == before) break;
      Pack();
      if (Excess(out_) < Excess(best)) best = out_;
      if (!Tighten()) break;
    }
    out_ = std::move(best);
    SetBounds();
    return std::move(out_);
  }

 private:
  static uint64_t Excess(const ShrunkNet& shrunk) {
    uint64_t excess = 0;
    for (size_t i = 0; i < shrunk.peaks.size(); ++i) {
      const uint64_t budget = shrunk.net.memories[i].budget_bytes;
      excess += shrunk.peaks[i].value - std::min(shrunk.peaks[i].value, budget);
    }
    return excess;
  }

  bool Spend(uint64_t work) {
    const bool left = work_ >= work && !limits_.expired();
    work_ -= std::min(work, work_);
    return left;
  }

  void Shrink() {
    constexpr size_t kMostAddedPerOp = 2;  // beyond that moving things costs more than it frees
    while (out_.added.size() < kMostAddedPerOp * ops_ &&
           Spend(out_.net.ops.size() + out_.net.values.size())) {
      const OrderUsage usage(out_.net, out_.draft);
      const std::optional<Change> best = FindChange(usage);
      if (!best) return;
      Apply(*best, usage);
    }
  }

  std::optional<Change> FindChange(const OrderUsage& usage) {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const std::vector<uint64_t>& during = usage.during(MemoryId(i));
      const auto worst = std::max_element(during.begin(), during.end());
      if (*worst <= targets_[i]) continue;
      const auto change = ChangeAt(usage, MemoryId(i), static_cast<size_t>(worst - during.begin()));
      if (change) return change;
    }
    return std::nullopt;
  }

  std::optional<Change> ChangeAt(const OrderUsage& usage, MemoryId memory, size_t worst) {
    std::optional<Change> best;
    for (size_t i = 0; i < out_.net.values.size(); ++i) {
      const NetValueId id = NetValueId(i);
      const OrderUsage::Life& life = usage.life(id);
      if (out_.net.values[i].memory != memory || usage.pinned(id) || usage.bytes(id) == 0 ||
          life.begin >= worst + (out_.net.values[i].given ? 1 : 0) || life.end <= worst) {
        continue;
      }
      Change change{.value = id, .last = usage.maker(id), .freed_bytes = usage.bytes(id)};
      const auto uses = usage.uses(id);
      const auto next = std::lower_bound(uses.begin(), uses.end(), worst);
      if (next == uses.end() || *next == worst) continue;
      change.next = *next;
      if (next != uses.begin()) change.last = *std::prev(next);
      Consider(Recompute(usage, change, worst), best);
      for (const NetLink& link : out_.net.links) Consider(Spill(usage, change, link), best);
    }
    return best;
  }
  static void Consider(const std::optional<Change>& change, std::optional<Change>& best) {
    if (change && (!best || change->IsBetterThan(*best))) best = change;
  }

  // Its operands live until the next use, which must not overfill any other moment.
  std::optional<Change> Recompute(const OrderUsage& usage, Change change, size_t worst) {
    const NetValue& value = out_.net.value(change.value);
    if (value.given) return std::nullopt;
    const NetOpId maker = out_.draft.order[usage.maker(change.value)];
    const NetOp& op = out_.net.op(maker);
    const PlaceId place = out_.draft.place_of[Index(maker)];
    const bool elsewhere = out_.net.place(place).memory != value.memory;
    if (op.effect != NetEffect::kNone || op.outs.size() != 1) return std::nullopt;
    if (!Spend((change.next - change.last) * (op.ins.size() + 1))) return std::nullopt;
    uint64_t more = elsewhere ? 0 : usage.workspace(maker);     // right before the next use
    std::vector<uint64_t> added(change.next - change.last, 0);  // from change.last on
    for (size_t i = 0; i < op.ins.size(); ++i) {
      const NetValueId in = op.ins[i];
      const auto seen = op.ins.begin() + static_cast<std::ptrdiff_t>(i);
      if (std::find(op.ins.begin(), seen, in) != seen) continue;
      const NetValue& operand = out_.net.value(in);
      if (operand.carried_from) return std::nullopt;  // overwritten by what it becomes
      const OrderUsage::Life& life = usage.life(in);
      if (life.end >= change.next) continue;
      // Before change.last it would have to be kept too: not worth the trouble.
      const size_t from = life.taken_at == OrderUsage::kNone ? life.end + 1 : life.end;
      if (usage.pinned(in) || from < change.last) return std::nullopt;
      if (operand.memory != value.memory) {
        if (!HasRoom(usage, operand.memory, usage.bytes(in), from, change.next)) {
          return std::nullopt;
        }
        continue;
      }
      for (size_t at = from; at < change.next; ++at) added[at - change.last] += usage.bytes(in);
      more += usage.bytes(in);
    }
    const uint64_t peak = usage.during(value.memory)[worst];
    const uint64_t there = usage.bytes(change.value), cost = added[worst - change.last];
    if (cost >= there) return std::nullopt;
    change.freed_bytes = there - cost;
    const uint64_t target = std::max(targets_[Index(value.memory)], peak - change.freed_bytes);
    if (usage.Before(value.memory, change.next) + more > target) return std::nullopt;
    for (size_t at = change.last; at < change.next; ++at) {
      const uint64_t freed = at == change.last ? 0 : there;
      const uint64_t old = usage.during(value.memory)[at];
      if (added[at - change.last] > freed && old + added[at - change.last] - freed > target) {
        return std::nullopt;
      }
    }
    change.seconds = out_.net.op(maker).choice_at(out_.draft.place_of[Index(maker)])->seconds;
    return change;
  }

  std::optional<Change> Spill(const OrderUsage& usage, Change change, const NetLink& link) {
    const NetValue& value = out_.net.value(change.value);
    if (link.from != value.memory) return std::nullopt;
    const size_t first = change.last == OrderUsage::kNone ? 0 : change.last;
    if (!Spend(change.next - first)) return std::nullopt;
    const NetMemory& to = out_.net.memories[Index(link.to)];
    const uint64_t bytes = RoundUp(value.bytes, to.alignment);
    if (!HasRoom(usage, link.to, bytes, first, change.next)) return std::nullopt;
    change.link = &link;
    change.seconds = 2 * WaySeconds(link, value.bytes);
    return change;
  }
  bool HasRoom(const OrderUsage& usage, MemoryId memory, uint64_t bytes, size_t from,
               size_t to) const {
    const uint64_t target = targets_[Index(memory)];
    const std::vector<uint64_t>& during = usage.during(memory);
    for (size_t at = from; at < to; ++at) {
      if (bytes > target || during[at] > target - bytes) return false;
    }
    return true;
  }
  static double WaySeconds(const NetLink& link, uint64_t bytes) {
    return link.latency_seconds + static_cast<double>(bytes) / link.bytes_per_second;
  }

  void Apply(const Change& change, const OrderUsage& usage) {
    const NetOpId before = out_.draft.order[change.next];
    const NetValueId again = CopyOf(change.value, out_.net.value(change.value).memory);
    for (const uint32_t at : usage.uses(change.value)) {
      if (at < change.next) continue;
      NetOperands& ins = out_.net.ops[Index(out_.draft.order[at])].ins;
      std::replace(ins.begin(), ins.end(), change.value, again);
    }
    if (change.link == nullptr) {
      const NetOpId maker = out_.draft.order[usage.maker(change.value)];
      NetOp op = out_.net.op(maker);
      op.outs = {again};
      op.in_place = false;
      AddOp(op, out_.draft.place_of[Index(maker)], change.next);
      Explain(AddedOp::Kind::kRecompute, change, before, change.seconds);
      return;
    }
    const NetLink link = *change.link;
    const NetValueId away = CopyOf(change.value, link.to);
    const uint64_t bytes = out_.net.value(change.value).bytes;
    AddOp(CopyOp("fetch", away, again, link.back, link), link.back, change.next);
    Explain(AddedOp::Kind::kFetch, change, before, change.seconds / 2);
    AddOp(CopyOp("spill", change.value, away, link.out, link), link.out,
          change.last == OrderUsage::kNone ? 0 : change.last + 1);
    Explain(AddedOp::Kind::kSpill, change, before, WaySeconds(link, bytes));
  }

  NetValueId CopyOf(NetValueId id, MemoryId memory) {
    NetValue copy{
        .name = out_.net.value(id).name + "~", .bytes = out_.net.value(id).bytes, .memory = memory};
    out_.net.values.push_back(std::move(copy));
    return NetValueId(out_.net.values.size() - 1);
  }
  NetOp CopyOp(const char* what, NetValueId from, NetValueId to, PlaceId place,
               const NetLink& link) const {
    const NetValue& value = out_.net.value(from);
    NetOp op{.name = fmt::format("{} {}", what, value.name), .ins = {from}, .outs = {to}};
    op.choices = {{place, WaySeconds(link, value.bytes), 0}};
    op.moved_bytes = value.bytes;
    return op;
  }
  void AddOp(NetOp op, PlaceId place, size_t at) {
    out_.net.ops.push_back(std::move(op));
    out_.draft.place_of.push_back(place);
    out_.draft.order.insert(out_.draft.order.begin() + static_cast<std::ptrdiff_t>(at),
                            NetOpId(out_.net.ops.size() - 1));
  }
  void Explain(AddedOp::Kind kind, const Change& change, NetOpId before, double seconds) {
    out_.added.push_back({kind, NetOpId(out_.net.ops.size() - 1), change.value, before,
                          change.freed_bytes, seconds});
  }

  void Pack() {
    NetPlan plan;
    out_.peaks =
        PlaceNetBuffers(out_.net, out_.draft.order, out_.draft.place_of, Sharing::kAll, plan);
    out_.fits = true;
    for (size_t i = 0; i < out_.peaks.size(); ++i) {
      out_.fits = out_.fits && out_.peaks[i].value <= out_.net.memories[i].budget_bytes;
    }
  }

  // Less may live at once where the buffers did not fit although what lives would have.
  bool Tighten() {
    bool any = false;
    for (size_t i = 0; i < targets_.size(); ++i) {
      const uint64_t budget = out_.net.memories[i].budget_bytes;
      if (out_.peaks[i].value <= budget || out_.peaks[i].lower_bound > budget) continue;
      const uint64_t excess = out_.peaks[i].value - budget;
      targets_[i] -= std::min(targets_[i], excess);
      any = true;
    }
    return any;
  }

  // What one op needs by itself, what is there from the start, and what has to be there at the end.
  void SetBounds() {
    const TaskNet& net = out_.net;
    const auto bytes = [&](NetValueId id) {
      return net.value(id).offset ? 0 : net.value(id).bytes;
    };
    std::vector<uint64_t> most(net.memories.size(), 0), given = most, wanted = most, now = most;
    for (size_t i = 0; i < net.values.size(); ++i) {
      const NetValue& value = net.values[i];
      if (value.given) given[Index(value.memory)] += bytes(NetValueId(i));
      if (value.wanted) wanted[Index(value.memory)] += bytes(NetValueId(i));
    }
    for (size_t i = 0; i < ops_; ++i) {
      std::fill(now.begin(), now.end(), 0);
      NetOperands ins = net.ops[i].ins;
      std::sort(ins.begin(), ins.end());
      ins.erase(std::unique(ins.begin(), ins.end()), ins.end());
      for (const NetValueId in : ins) now[Index(net.value(in).memory)] += bytes(in);
      for (size_t o = net.ops[i].in_place ? 1 : 0; o < net.ops[i].outs.size(); ++o) {
        now[Index(net.value(net.ops[i].outs[o]).memory)] += bytes(net.ops[i].outs[o]);
      }
      for (size_t m = 0; m < most.size(); ++m) most[m] = std::max(most[m], now[m]);
    }
    for (size_t m = 0; m < most.size(); ++m) {
      const NetMemory& memory = net.memories[m];
      out_.peaks[m].lower_bound = RoundUp(memory.reserved_bytes, memory.alignment) +
                                  std::max({most[m], given[m], wanted[m]});
    }
  }

  const SearchLimits& limits_;
  const size_t ops_;  // of the net as it was
  ShrunkNet out_;
  std::vector<uint64_t> targets_;  // by memory
  uint64_t work_ = 0;
};

}  // namespace

ShrunkNet ShrinkPeak(const TaskNet& net, const NetDraft& draft, const SearchLimits& limits) {
  return PeakShrinker(net, draft, limits).Run();
}

}  // namespace tinyai
