#include "plan/objective.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "plan/compile_net.h"
#include "plan/simulate.h"

namespace tinyai {
namespace {

using Term = NetObjective::Term;
using Counting = NetObjective::Counting;

// Each way in which they may come out is simulated.
constexpr size_t kMostConditions = 8;

// The arms of a net as its conditions decide about them.
class Arms {
 public:
  Arms(const TaskNet& net, const NetObjective& objective)
      : net_(net), objective_(objective), pair_of_(net.regions.size()) {
    std::map<std::pair<RegionId, NetValueId>, size_t> number;
    for (size_t i = 1; i < net.regions.size(); ++i) {
      const NetRegion& region = net.regions[i];
      if (!region.condition) continue;
      const auto key = std::pair(region.parent, *region.condition);
      const auto [known, added] = number.try_emplace(key, pairs_.size());
      if (added) pairs_.push_back({RegionId(i), {}, {}});
      pair_of_[i] = known->second;
      (region.arm ? pairs_[known->second].yes : pairs_[known->second].no) = RegionId(i);
    }
  }

  // Of amounts by region: how much one carrying out of the net takes. Inner regions come after
  // those around them.
  double Count(std::vector<double> own) const {
    for (size_t i = net_.regions.size(); i-- > 1;) {
      const RegionId parent = net_.regions[i].parent;
      if (objective_.counting == Counting::kStatic || !net_.regions[i].condition) {
        own[Index(parent)] += own[i];
        continue;
      }
      const Pair& pair = pairs_[pair_of_[i]];
      if (pair.first != RegionId(i)) continue;  // once, when both are complete
      const double yes = pair.yes ? own[Index(*pair.yes)] : 0;
      const double no = pair.no ? own[Index(*pair.no)] : 0;
      const double often = Often(pair);
      own[Index(parent)] += objective_.counting == Counting::kWorst
                                ? std::max(yes, no)
                                : often * yes + (1 - often) * no;
    }
    return own[0];
  }

  double Makespan(const NetPlan& plan) const {
    double worst = 0, expected = 0;
    for (size_t way = 0; way < size_t{1} << pairs_.size(); ++way) {
      double likely = 1;
      std::vector<bool> carried(net_.regions.size(), true);
      for (size_t i = 0; i < pairs_.size(); ++i) {
        const bool yes = (way >> i & 1) == 0;
        likely *= yes ? Often(pairs_[i]) : 1 - Often(pairs_[i]);
        if (const auto left_out = yes ? pairs_[i].no : pairs_[i].yes) {
          carried[Index(*left_out)] = false;
        }
      }
      for (size_t i = 1; i < carried.size(); ++i) {
        carried[i] = carried[i] && carried[Index(net_.regions[i].parent)];
      }
      const double makespan = SimulateArms(net_, plan, carried).makespan;
      worst = std::max(worst, makespan);
      expected += likely * makespan;
    }
    return objective_.counting == Counting::kWorst ? worst : expected;
  }
  size_t conditions() const { return pairs_.size(); }

 private:
  struct Pair {
    RegionId first{};
    std::optional<RegionId> yes, no;
  };
  double Often(const Pair& pair) const {
    const auto said = [&](std::optional<RegionId> region) -> std::optional<double> {
      if (!region || Index(*region) >= objective_.often.size()) return std::nullopt;
      return objective_.often[Index(*region)];
    };
    if (const auto yes = said(pair.yes)) return *yes;
    if (const auto no = said(pair.no)) return 1 - *no;
    return 0.5;
  }

  const TaskNet& net_;
  const NetObjective& objective_;
  std::vector<Pair> pairs_;
  std::vector<size_t> pair_of_;  // by region
};

// Fences, syncs and moved bytes by region. A fence is recorded whenever somebody may wait for it.
void CountByRegion(const TaskNet& net, const PlannedNet& planned, const Arms& arms,
                   PlanFigures& out) {
  std::vector<double> syncs(net.regions.size(), 0), fences = syncs, bytes = syncs;
  const NetPlan& plan = planned.plan;
  std::vector<RegionId> recorded;
  for (const NetFence& fence : plan.fences) {
    recorded.push_back(net.op(plan.queues[Index(fence.place)][fence.command].op).region);
  }
  double in_ops = 0;
  for (const std::vector<NetCommand>& queue : plan.queues) {
    for (const NetCommand& command : queue) {
      const NetOp& op = net.op(command.op);
      syncs[Index(op.region)] += static_cast<double>(command.syncs.size());
      bytes[Index(op.region)] += static_cast<double>(op.moved_bytes);
      in_ops += static_cast<double>(op.moved_bytes);
      for (const NetSync& sync : command.syncs) {
        recorded[sync.fence] = CommonRegion(net, recorded[sync.fence], op.region);
      }
    }
  }
  for (const RegionId region : recorded) ++fences[Index(region)];
  out.syncs = arms.Count(std::move(syncs));
  out.fences = arms.Count(std::move(fences));
  // What other places use in the same memory belongs to no op.
  out.moved_bytes = arms.Count(std::move(bytes)) +
                    std::max(0.0, static_cast<double>(planned.moved_bytes) - in_ops);
}

double Amount(const PlanFigures& figures, const NetObjective::Weighted& part) {
  switch (part.term) {
    case Term::kSyncs:
      return figures.syncs;
    case Term::kFences:
      return figures.fences;
    case Term::kMovedBytes:
      return figures.moved_bytes;
    case Term::kRecomputed:
      return figures.recomputed;
    case Term::kMakespan:
      return figures.makespan;
    case Term::kPeak: {
      if (part.memory) return figures.peaks[Index(*part.memory)];
      double bytes = 0;
      for (const double peak : figures.peaks) bytes += peak;
      return bytes;
    }
  }
  return 0;
}

}  // namespace

NetObjective NetObjective::ForPrograms() {
  return {{Term::kSyncs, Term::kFences, Term::kMovedBytes, Term::kMakespan, Term::kPeak}};
}
NetObjective NetObjective::ForModels() {
  return {{Term::kMakespan, Term::kSyncs, Term::kFences, Term::kMovedBytes, Term::kPeak}};
}

double PlanFigures::Worth(const NetObjective::Sum& sum) const {
  double out = 0;
  for (const NetObjective::Weighted& part : sum.parts) out += part.weight * Amount(*this, part);
  return out;
}

bool IsBetter(const PlanFigures& a, const PlanFigures& b, const NetObjective& objective) {
  for (const NetObjective::Sum& sum : objective.terms) {
    const double x = a.Worth(sum), y = b.Worth(sum);
    if (std::abs(x - y) > 1e-9 * std::max(std::abs(x), std::abs(y))) return x < y;
  }
  return false;
}

PlanFigures FiguresOf(const TaskNet& net, const PlannedNet& planned,
                      const NetObjective& objective) {
  PlanFigures out;
  out.syncs = static_cast<double>(planned.plan.syncs());
  out.fences = static_cast<double>(planned.plan.fences.size());
  out.moved_bytes = static_cast<double>(planned.moved_bytes);
  out.makespan = planned.simulation.makespan;
  for (const AddedOp& added : planned.added) {
    out.recomputed += added.kind == AddedOp::Kind::kRecompute;
  }
  for (const Bounded& peak : planned.peaks) out.peaks.push_back(static_cast<double>(peak.value));
  if (objective.counting == Counting::kStatic || net.regions.size() == 1) return out;
  const Arms arms(net, objective);
  CountByRegion(net, planned, arms, out);
  if (arms.conditions() <= kMostConditions) out.makespan = arms.Makespan(planned.plan);
  return out;
}

}  // namespace tinyai
