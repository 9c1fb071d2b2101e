#include "plan/compile_net.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "base/units.h"
#include "fmt/format.h"
#include "plan/draft_net.h"
#include "plan/shrink_peak.h"
#include "plan/wait_points.h"
#include "solve/order.h"

namespace tinyai {
namespace {

using Term = NetObjective::Term;

// The first memory whose budget is too small.
std::optional<MemoryId> Overfull(const TaskNet& net, const std::vector<Bounded>& peaks) {
  for (size_t i = 0; i < peaks.size(); ++i) {
    if (peaks[i].value > net.memories[i].budget_bytes) return MemoryId(i);
  }
  return std::nullopt;
}

// `least`: what any order needs, where that is known.
tl::unexpected<Error> TooSmall(const NetMemory& memory, uint64_t need, uint64_t least = 0) {
  std::string what = fmt::format("memory {}: the best order found needs {} bytes, the budget is {}",
                                 memory.name, need, memory.budget_bytes);
  if (least != 0) what += fmt::format(", no order needs less than {}", least);
  return Fail(ErrorCode::kBudget, "BUDGET_INFEASIBLE",
              fmt::format("{}; need={} ({})", what, need, FormatByteSize(need)));
}

// Needs such that those of an op come before those that it is needed for: as they are, or else
// along `order`, which all of them allow.
std::vector<NetNeed> InTurn(const std::vector<NetNeed>& needs, const std::vector<NetOpId>& order) {
  const NeedLists before = NeedLists::ByLater(needs, order.size());
  std::vector<NetNeed> out;
  out.reserve(needs.size());
  for (const NetOpId op : order) {
    const auto some = before.of(op);
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}
bool AreInTurn(const std::vector<NetNeed>& needs) {
  uint32_t last = 0;
  for (const NetNeed& need : needs) {
    if (need.distance != 0) continue;
    if (need.earlier >= need.later || Index(need.later) < last) return false;
    last = static_cast<uint32_t>(need.later);
  }
  return true;
}

// The longest chain of ops that need each other.
double LongestChain(const std::vector<NetNeed>& in_turn, const std::vector<double>& seconds) {
  std::vector<double> start(seconds.size(), 0);
  for (const NetNeed& need : in_turn) {
    if (need.distance != 0) continue;
    double& later = start[Index(need.later)];
    later = std::max(later, start[Index(need.earlier)] + seconds[Index(need.earlier)]);
  }
  double chain = 0;
  for (size_t i = 0; i < start.size(); ++i) chain = std::max(chain, start[i] + seconds[i]);
  return chain;
}

// What no plan on the places of a draft is better than.
struct PlacesCost {
  double makespan = 0;  // of the busiest place, and of the longest chain
  uint64_t moved_bytes =
      0;  // of values that other places than their maker's use, for each of these
};

PlacesCost CostOfPlaces(const TaskNet& net, const std::vector<NetNeed>& needs,
                        const NetDraft& draft) {
  const size_t places = net.places.size(), words = CeilDiv(places, 64);
  std::vector<double> busy(places, 0), seconds(net.ops.size(), 0);
  std::vector<uint64_t> made_at(net.values.size(), ~uint64_t{0});
  std::vector<uint64_t> users(net.values.size() * words, 0);  // of each value, a bit for each place
  PlacesCost out;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const NetOp& op = net.ops[i];
    const size_t place = Index(draft.place_of[i]);
    if (!op.once) seconds[i] = op.choice_at(PlaceId(place))->seconds;
    busy[place] += seconds[i];
    out.moved_bytes += op.moved_bytes;
    if (op.moved_bytes != 0) continue;  // it says itself what it moves
    for (const NetValueId made : op.outs) made_at[Index(made)] = place;
    for (const NetValueId in : op.ins) {
      users[Index(in) * words + place / 64] |= uint64_t{1} << place % 64;
    }
  }
  for (size_t i = 0; i < net.values.size(); ++i) {
    const uint64_t maker = made_at[i];
    if (maker == ~uint64_t{0} || net.values[i].bytes == 0) continue;
    users[i * words + maker / 64] &= ~(uint64_t{1} << maker % 64);
    for (size_t word = 0; word < words; ++word) {
      out.moved_bytes += net.values[i].bytes * std::popcount(users[i * words + word]);
    }
  }
  if (!busy.empty()) out.makespan = *std::max_element(busy.begin(), busy.end());
  if (!net.loops) {  // iterations of a loop overlap
    const bool as_they_are = AreInTurn(needs);
    const double chain = as_they_are ? LongestChain(needs, seconds)
                                     : LongestChain(InTurn(needs, draft.order), seconds);
    out.makespan = std::max(out.makespan, chain);
  }
  return out;
}

// Whether a place may have to wait since its buffers were another's before.
bool PlacesMeet(const TaskNet& net, Sharing sharing) {
  return sharing == Sharing::kAll || net.loops ||
         std::any_of(net.values.begin(), net.values.end(),
                     [](const NetValue& value) { return value.offset.has_value(); });
}

// A net and a draft, which both outlive it, or where there are arms both with points.
class Pointed {
 public:
  Pointed(const TaskNet& net, const std::vector<NetNeed>& needs, const NetDraft& draft)
      : net_(net), draft_(draft) {
    if (net.regions.size() > 1 && !net.loops) pointed_ = WaitForAllArms(net, needs, draft);
  }
  bool own() const { return pointed_ && pointed_->net.ops.size() > net_.ops.size(); }
  const TaskNet& net() const { return own() ? pointed_->net : net_; }
  const NetDraft& draft() const { return pointed_ ? pointed_->draft : draft_; }

 private:
  const TaskNet& net_;
  const NetDraft& draft_;
  std::optional<PointedDraft> pointed_;
};

std::vector<Bounded> PlaceBuffers(const Pointed& pointed, Sharing sharing, NetPlan& plan) {
  const NetDraft& draft = pointed.draft();
  return PlaceNetBuffers(pointed.net(), draft.order, draft.place_of, sharing, plan);
}

// From buffers to the whole plan. `net_needs`: without those of this draft. `least_syncs`: proved.
Status Complete(const Pointed& pointed, const std::vector<NetNeed>& net_needs, Sharing sharing,
                uint64_t least_syncs, const SearchLimits& limits, PlannedNet& out) {
  const TaskNet& net = pointed.net();
  const NetDraft& draft = pointed.draft();
  const PlacesCost cost = CostOfPlaces(net, net_needs, draft);
  out.least_makespan = cost.makespan;
  out.moved_bytes = cost.moved_bytes;
  std::vector<NetNeed> reuse;
  if (PlacesMeet(net, sharing)) reuse = ReuseNeeds(net, draft.order, draft.place_of, out.plan);
  const QueueOrders queues = QueuesOf(net, draft);
  if (net.in_turns) {
    WaitForGangs(net, draft.order, draft.place_of, reuse);
    for (NetNeed& need : reuse) {
      if (need.distance > 0) need.later = queues[Index(draft.place_of[Index(need.later)])].front();
    }
  }
  out.causes = DeriveSyncs(net, queues, {net_needs, draft.extra, reuse}, out.plan);
  TRY(CheckNetPlan(net, out.plan));
  out.syncs.value = out.plan.syncs();
  const bool all_needed = draft.extra.empty() && net.regions.size() == 1;
  if (!all_needed && out.syncs.value > least_syncs) {
    DropSyncs(net, limits, out.plan, out.causes);
    out.syncs.value = out.plan.syncs();
  }
  out.simulation = Simulate(net, out.plan);
  out.fences.value = out.plan.fences.size();
  out.order = draft.order;
  out.place_of = draft.place_of;
  return {};
}

// Plans drafts and keeps the best.
class NetCompiler {
 public:
  NetCompiler(const TaskNet& net, const NetObjective& objective, const SearchLimits& limits,
              const PlanVisitor& visit)
      : net_(net),
        needs_(Needs(net)),
        objective_(objective),
        limits_(limits),
        visit_(visit),
        decided_(std::all_of(net.ops.begin(), net.ops.end(),
                             [](const NetOp& op) { return op.choices.size() == 1; })),
        has_gangs_(std::any_of(net.ops.begin(), net.ops.end(),
                               [](const NetOp& op) { return op.gang != 0; })) {}

  Result<PlannedNet> Compile() {
    for (const std::vector<PlaceId>& places : Placements()) TRY(TryPlaces(places));
    const bool enough = limits_.effort == Effort::kFast || net_.ops.empty();
    if (enough && best_) return Finish();
    TRY_ASSIGN(NetPlacement soonest, DraftForMakespan(net_, needs_, limits_));
    least_makespan_ = soonest.least_makespan;
    TRY(TryPlaces(soonest.draft.place_of));
    TRY(Try(soonest.draft));
    return Finish();
  }

 private:
  bool SyncsFirst() const {
    return !objective_.terms.empty() && objective_.terms[0].parts.size() == 1 &&
           objective_.terms[0].parts[0].term == Term::kSyncs;
  }

  // Those that are not for time.
  std::vector<std::vector<PlaceId>> Placements() const {
    std::vector<std::vector<PlaceId>> out;
    if (decided_) {
      out.push_back(OnlyPlaces(net_));
      return out;
    }
    if (auto one = OnOnePlace(net_)) {
      out.push_back(std::move(*one));
      return out;
    }
    if (auto two = OnTwoPlaces(net_, needs_)) out.push_back(std::move(*two));
    if (out.empty() && SyncsFirst() && !net_.loops) {
      out.push_back(OnFewSyncs(net_, needs_, limits_));
    }
    return out;
  }

  Status TryPlaces(const std::vector<PlaceId>& places) {
    least_syncs_ = least_fences_ = 0;
    const bool fast = limits_.effort == Effort::kFast;
    if (SyncsFirst() || (!net_.loops && !fast)) {
      SearchLimits limits = limits_;
      if (!SyncsFirst()) limits.effort = Effort::kFast;
      NetSyncDraft least = DraftForSyncs(net_, needs_, places, limits);
      // Several iterations may take turns in other ways.
      if (!net_.loops || net_.iterations == 1) {
        least_syncs_ = least.syncs.lower_bound;
        least_fences_ = least.fences.lower_bound;
      }
      TRY(Try(least.draft));
      if (IsEnough()) return {};
    }
    TRY(Try({OrderLikeProgram(net_, needs_), places, {}}));
    if (net_.loops && SyncsFirst()) TRY(TryTogether());
    if (fast && best_) return {};
    return Try(DraftForPeak(net_, needs_, places, limits_, PeakWork()));
  }

  // As long as that saves syncs.
  Status TryTogether() {
    constexpr int kRounds = 4;
    constexpr size_t kMostOps = 300;  // each order is tried out
    if (net_.in_turns || net_.ops.size() > kMostOps) return {};
    for (int round = 0; round < kRounds && best_; ++round) {
      const uint64_t syncs = best_->syncs.value;
      const auto draft = WaitTogether(net_, needs_, best_draft_, best_->plan);
      if (!draft) return {};
      TRY(Try(*draft));
      if (best_->syncs.value >= syncs) return {};
    }
    return {};
  }

  // Of nets too large for a proof in that time a better order is found early or not at all: where
  // plans fit, and the peak is looked at last, and nobody else sees the plan, no more time than the
  // rest takes.
  uint64_t PeakWork() const {
    constexpr size_t kMayBeProved = 64;
    constexpr uint64_t kFew = 1'000'000, kPerOp = 500;
    const auto& terms = objective_.terms;
    const auto has_peak = [](const NetObjective::Sum& sum) {
      return std::any_of(sum.parts.begin(), sum.parts.end(),
                         [](const auto& part) { return part.term == Term::kPeak; });
    };
    const bool last = terms.empty() || std::none_of(terms.begin(), terms.end() - 1, has_peak);
    if (!best_ || !last || visit_ || net_.ops.size() <= kMayBeProved) return kNormalOrderWork;
    return std::min(kNormalOrderWork, std::max(kFew, kPerOp * net_.ops.size()));
  }

  // In a hurry: any plan, but where syncs are given one that adds none, if the next draft has it.
  bool IsEnough() const {
    return limits_.effort == Effort::kFast && best_ &&
           (net_.fixed_syncs.empty() || best_->syncs.value <= net_.fixed_syncs.size());
  }

  // With as little sharing of memory as fits, since sharing makes places wait for each other; and
  // with more, where that is no loss. A draft that does not fit its memories is passed over.
  Status Try(const NetDraft& wanted) {
    std::optional<NetDraft> gathered;
    if (has_gangs_) GatherGangs(net_, needs_, gathered.emplace(wanted));
    const NetDraft& draft = gathered ? *gathered : wanted;
    const Pointed pointed(net_, needs_, draft);
    for (const Sharing sharing : {Sharing::kWithinPlaces, Sharing::kAll}) {
      if (best_ && limits_.expired()) return {};
      if (best_ && limits_.effort == Effort::kFast && sharing == Sharing::kAll) return {};
      TRY(Try(draft, pointed, sharing));
    }
    return {};
  }
  Status Try(const NetDraft& draft, const Pointed& pointed, Sharing sharing) {
    PlannedNet planned;
    planned.peaks = PlaceBuffers(pointed, sharing, planned.plan);
    if (const auto memory = Overfull(net_, planned.peaks)) {
      const uint64_t need = planned.peaks[Index(*memory)].value;
      if (!nearest_ || need < nearest_->need) nearest_ = {*memory, need, draft};
      return {};
    }
    Status completed = Complete(pointed, needs_, sharing, least_syncs_, limits_, planned);
    if (!completed && net_.fixed_syncs.empty()) return completed;
    if (!completed) {  // a wait for memory may make one stale that is given
      refused_ = std::move(completed).error();
      return {};
    }
    planned.syncs.lower_bound = least_syncs_;
    planned.fences.lower_bound = least_fences_;
    if (pointed.own()) planned.net = pointed.net();
    if (visit_) visit_(planned);
    PlanFigures figures = FiguresOf(pointed.net(), planned, objective_);
    if (best_ && !IsBetter(figures, best_figures_, objective_)) return {};
    best_ = std::move(planned);
    best_figures_ = std::move(figures);
    if (net_.loops) best_draft_ = draft;
    return {};
  }

  Result<PlannedNet> Finish() {
    if (!best_ && refused_) return tl::unexpected<Error>(*refused_);
    if (!best_) return Shrunk();
    if (!decided_) best_->least_makespan = least_makespan_;
    return std::move(*best_);
  }

  // Of the order that comes nearest to fitting.
  Result<PlannedNet> Shrunk() const {
    ShrunkNet shrunk = ShrinkPeak(net_, nearest_->draft, limits_);
    PlannedNet planned;
    if (!shrunk.fits) {
      const auto memory = Overfull(net_, shrunk.peaks);
      const bool same = *memory == nearest_->memory;
      const uint64_t need = shrunk.peaks[Index(*memory)].value;
      return TooSmall(net_.memories[Index(*memory)], same ? std::min(need, nearest_->need) : need,
                      shrunk.peaks[Index(*memory)].lower_bound);
    }
    TRY(CheckNet(shrunk.net));
    const std::vector<NetNeed> needs = Needs(shrunk.net);
    GatherGangs(shrunk.net, needs, shrunk.draft);
    const Pointed pointed(shrunk.net, needs, shrunk.draft);
    planned.peaks = PlaceBuffers(pointed, Sharing::kAll, planned.plan);
    if (const auto memory = Overfull(shrunk.net, planned.peaks)) {
      return TooSmall(shrunk.net.memories[Index(*memory)], planned.peaks[Index(*memory)].value);
    }
    TRY(Complete(pointed, needs, Sharing::kAll, 0, limits_, planned));
    if (!net_.loops) {
      const NetSyncDraft least = DraftForSyncs(shrunk.net, needs, shrunk.draft.place_of, limits_);
      planned.syncs.lower_bound = least.syncs.lower_bound;
      planned.fences.lower_bound = least.fences.lower_bound;
    }
    planned.net = pointed.net();
    planned.added = std::move(shrunk.added);
    if (visit_) visit_(planned);
    return planned;
  }

  // A draft that does not fit, and what it needs.
  struct Overfilling {
    MemoryId memory{};
    uint64_t need = 0;
    NetDraft draft;
  };

  const TaskNet& net_;
  const std::vector<NetNeed> needs_;
  const NetObjective& objective_;
  const SearchLimits& limits_;
  const PlanVisitor& visit_;
  const bool decided_;  // where each op runs
  const bool has_gangs_;
  double least_makespan_ = 0;
  std::optional<PlannedNet> best_;
  PlanFigures best_figures_;
  NetDraft best_draft_;                          // of a loop
  std::optional<Error> refused_;                 // what the checker said of a draft
  uint64_t least_syncs_ = 0, least_fences_ = 0;  // on the places that are tried
  std::optional<Overfilling> nearest_;           // what comes nearest to fitting
};

}  // namespace

std::vector<NetOpId> InOrder(const TaskNet& net) {
  std::vector<NetOpId> order;
  order.reserve(net.ops.size());
  for (size_t i = 0; i < net.ops.size(); ++i) order.push_back(NetOpId(i));
  return order;
}
std::vector<PlaceId> OnlyPlaces(const TaskNet& net) {
  std::vector<PlaceId> places;
  places.reserve(net.ops.size());
  for (const NetOp& op : net.ops) places.push_back(op.choices.front().place);
  return places;
}

Result<PlannedNet> PlanInOrder(const TaskNet& net, const NetDraft& draft) {
  PlannedNet out;
  const std::vector<NetNeed> needs = Needs(net);
  const Pointed pointed(net, needs, draft);
  out.peaks = PlaceBuffers(pointed, Sharing::kAll, out.plan);
  if (const auto memory = Overfull(net, out.peaks)) {
    return TooSmall(net.memories[Index(*memory)], out.peaks[Index(*memory)].value);
  }
  TRY(Complete(pointed, needs, Sharing::kAll, 0, {}, out));
  if (pointed.own()) out.net = pointed.net();
  return out;
}

Result<PlannedNet> CompileNet(const TaskNet& net, const NetObjective& objective,
                              const SearchLimits& limits, const PlanVisitor& visit) {
  TRY(CheckNet(net));
  return NetCompiler(net, objective, limits, visit).Compile();
}

}  // namespace tinyai
