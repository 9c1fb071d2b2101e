#include "plan/shrink_peak.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr size_t kNone = ~size_t{0};
// Positions, values and operands gone through; kNormal ends in about a second.
constexpr uint64_t kFastWork = 20'000'000, kNormalWork = 500'000'000, kExactWork = 50'000'000'000;

// When a value's bytes are taken, in positions of the order, and who touches them.
struct Life {
  size_t begin = 0, end = 0;  // inclusive; nobody has it before `begin`
  size_t taken_at = kNone;    // there another value goes on in the same bytes
};

// What an order needs of each memory at each position. Values share no bytes but where an op works
// in place.
class Usage {
 public:
  Usage(const TaskNet& net, const NetDraft& draft) : net_(net), draft_(draft) {
    FindUses();
    FindPinned();
    FindLives();
    AddUp();
  }

  // While the op at `at` runs, and between that and the one before.
  const std::vector<uint64_t>& during(MemoryId memory) const { return during_[Index(memory)]; }
  uint64_t Before(MemoryId memory, size_t at) const { return before_[Index(memory)][at]; }
  const Life& life(NetValueId id) const { return lives_[Index(id)]; }
  // Ascending; conditions too.
  std::span<const uint32_t> uses(NetValueId id) const {
    return std::span(uses_).subspan(first_use_[Index(id)],
                                    first_use_[Index(id) + 1] - first_use_[Index(id)]);
  }
  bool pinned(NetValueId id) const { return pinned_[Index(id)]; }
  size_t maker(NetValueId id) const { return maker_[Index(id)]; }  // its position; kNone: given
  uint64_t bytes(NetValueId id) const {
    const NetValue& value = net_.value(id);
    const uint64_t alignment = net_.memories[Index(value.memory)].alignment;
    return value.offset ? 0 : RoundUp(value.bytes, alignment);
  }
  uint64_t workspace(NetOpId id) const {
    const PlaceId place = draft_.place_of[Index(id)];
    const uint64_t alignment = net_.memories[Index(net_.place(place).memory)].alignment;
    return RoundUp(net_.op(id).choice_at(place)->workspace_bytes, alignment);
  }

 private:
  template <typename Visit>
  void EachUse(size_t at, Visit visit) const {
    const NetOp& op = net_.op(draft_.order[at]);
    for (const NetValueId in : op.ins) visit(in);
    for (RegionId region = op.region; Index(region) != 0;
         region = net_.regions[Index(region)].parent) {
      if (const auto condition = net_.regions[Index(region)].condition) visit(*condition);
    }
  }
  void FindUses() {
    const size_t ops = draft_.order.size();
    maker_.assign(net_.values.size(), kNone);
    first_use_.assign(net_.values.size() + 1, 0);
    for (size_t at = 0; at < ops; ++at) {
      EachUse(at, [&](NetValueId id) { ++first_use_[Index(id) + 1]; });
      for (const NetValueId out : net_.op(draft_.order[at]).outs) maker_[Index(out)] = at;
    }
    std::partial_sum(first_use_.begin(), first_use_.end(), first_use_.begin());
    uses_.resize(first_use_.back());
    std::vector<uint32_t> next(first_use_.begin(), first_use_.end() - 1);
    for (size_t at = 0; at < ops; ++at) {
      EachUse(at, [&](NetValueId id) { uses_[next[Index(id)]++] = static_cast<uint32_t>(at); });
    }
  }

  // Whose life is not ours to change.
  void FindPinned() {
    pinned_.assign(net_.values.size(), false);
    for (const NetRegion& region : net_.regions) {
      if (region.condition) pinned_[Index(*region.condition)] = true;
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      if (value.wanted || value.offset || (value.given && net_.loops)) pinned_[i] = true;
      if (!value.carried_from) continue;
      pinned_[i] = true;
      pinned_[Index(*value.carried_from)] = true;
    }
    for (const NetOp& op : net_.ops) {
      if (Index(op.region) == 0 && !op.once) continue;
      for (const NetValueId out : op.outs) pinned_[Index(out)] = true;
    }
  }

  void FindLives() {
    const size_t end = draft_.order.size();
    lives_.resize(net_.values.size());
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const NetValue& value = net_.values[i];
      const auto touched = uses(NetValueId(i));
      Life& life = lives_[i];
      life.begin = value.given ? 0 : maker_[i];
      life.end = touched.empty() ? life.begin : std::max<size_t>(life.begin, touched.back());
      const bool once = !value.given && net_.op(draft_.order[maker_[i]]).once;
      if (once) life.begin = 0;
      if (value.wanted || once || (value.given && net_.loops)) life.end = end;
    }
    for (size_t i = 0; i < net_.values.size(); ++i) {
      if (const auto from = net_.values[i].carried_from) {
        lives_[Index(*from)] = {1, 0, kNone};  // lies where this one does
      }
    }
    for (size_t at = 0; at < end; ++at) {
      const NetOp& op = net_.op(draft_.order[at]);
      if (!op.in_place) continue;
      const NetValue &in = net_.value(op.ins[0]), &out = net_.value(op.outs[0]);
      Life &old = lives_[Index(op.ins[0])], &now = lives_[Index(op.outs[0])];
      if (now.begin > now.end || old.begin > old.end || old.end != at || in.offset || out.offset ||
          in.bytes != out.bytes || in.memory != out.memory || now.begin != at) {
        continue;
      }
      old.taken_at = at;
      now.begin = at + 1;
      now.end = std::max(now.end, now.begin);
    }
  }

  void AddUp() {
    const size_t size = draft_.order.size() + 2;
    std::vector<std::vector<uint64_t>> born(net_.memories.size(), std::vector<uint64_t>(size, 0));
    during_ = before_ = born;
    std::vector<std::vector<uint64_t>> dead = born;
    for (size_t i = 0; i < net_.values.size(); ++i) {
      const Life& life = lives_[i];
      if (life.begin > life.end) continue;
      const size_t memory = Index(net_.values[i].memory);
      born[memory][std::min(life.begin, size - 1)] += bytes(NetValueId(i));
      dead[memory][std::min(life.end, size - 1)] += bytes(NetValueId(i));
    }
    for (size_t memory = 0; memory < during_.size(); ++memory) {
      const NetMemory& in = net_.memories[memory];
      uint64_t alive = RoundUp(in.reserved_bytes, in.alignment);
      for (size_t at = 0; at < size; ++at) {
        before_[memory][at] = alive;
        alive += born[memory][at];
        during_[memory][at] = alive;
        alive -= dead[memory][at];
      }
    }
    for (size_t at = 0; at < draft_.order.size(); ++at) {
      const NetOpId op = draft_.order[at];
      const MemoryId memory = net_.place(draft_.place_of[Index(op)]).memory;
      during_[Index(memory)][at] += workspace(op);
    }
  }

  const TaskNet& net_;
  const NetDraft& draft_;
  std::vector<uint32_t> first_use_, uses_;  // by value
  std::vector<size_t> maker_;
  std::vector<bool> pinned_;
  std::vector<Life> lives_;
  std::vector<std::vector<uint64_t>> during_, before_;  // by memory
};

// A way to end a value's life for a while.
struct Change {
  NetValueId value{};
  size_t last = kNone, next = 0;  // positions of its uses around; kNone: it is given, and unused
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
      const Usage usage(out_.net, out_.draft);
      const std::optional<Change> best = FindChange(usage);
      if (!best) return;
      Apply(*best, usage);
    }
  }

  std::optional<Change> FindChange(const Usage& usage) {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const std::vector<uint64_t>& during = usage.during(MemoryId(i));
      const auto worst = std::max_element(during.begin(), during.end());
      if (*worst <= targets_[i]) continue;
      const auto change = ChangeAt(usage, MemoryId(i), static_cast<size_t>(worst - during.begin()));
      if (change) return change;
    }
    return std::nullopt;
  }

  std::optional<Change> ChangeAt(const Usage& usage, MemoryId memory, size_t worst) {
    std::optional<Change> best;
    for (size_t i = 0; i < out_.net.values.size(); ++i) {
      const NetValueId id = NetValueId(i);
      const Life& life = usage.life(id);
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
  std::optional<Change> Recompute(const Usage& usage, Change change, size_t worst) {
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
      const Life& life = usage.life(in);
      if (life.end >= change.next) continue;
      // Before change.last it would have to be kept too: not worth the trouble.
      const size_t from = life.taken_at == kNone ? life.end + 1 : life.end;
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

  std::optional<Change> Spill(const Usage& usage, Change change, const NetLink& link) {
    const NetValue& value = out_.net.value(change.value);
    if (link.from != value.memory) return std::nullopt;
    const size_t first = change.last == kNone ? 0 : change.last;
    if (!Spend(change.next - first)) return std::nullopt;
    const NetMemory& to = out_.net.memories[Index(link.to)];
    const uint64_t bytes = RoundUp(value.bytes, to.alignment);
    if (!HasRoom(usage, link.to, bytes, first, change.next)) return std::nullopt;
    change.link = &link;
    change.seconds = 2 * WaySeconds(link, value.bytes);
    return change;
  }
  bool HasRoom(const Usage& usage, MemoryId memory, uint64_t bytes, size_t from, size_t to) const {
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

  void Apply(const Change& change, const Usage& usage) {
    const NetOpId before = out_.draft.order[change.next];
    const NetValueId again = CopyOf(change.value, out_.net.value(change.value).memory);
    for (const uint32_t at : usage.uses(change.value)) {
      if (at < change.next) continue;
      std::vector<NetValueId>& ins = out_.net.ops[Index(out_.draft.order[at])].ins;
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
          change.last == kNone ? 0 : change.last + 1);
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
      std::vector<NetValueId> ins = net.ops[i].ins;
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
