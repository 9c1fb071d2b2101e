#include "program/plan_program.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "program/carry_values.h"
#include "program/complete_schedule.h"
#include "program/order_lines.h"
#include "program/place_implied.h"
#include "program/speculate.h"

namespace tinyai {
namespace {

// Larger nets are planned without search.
constexpr size_t kMostSearchedOps = 5000;
// Larger ones, and more branches, are carried out as usual.
constexpr size_t kMostWeighedOps = 300, kMostWeighedBranches = 8;

// What the ops do that the planner added since memory was short.
void NameAdded(const std::vector<AddedOp>& added, CompiledProgram& out) {
  const std::vector<std::optional<NetOpId>> makers = Makers(out.net);
  out.def_of.resize(out.net.values.size());
  out.work.resize(out.net.ops.size(), work::Mark{});
  for (const AddedOp& one : added) {
    const DefId def = out.def_of[Index(one.value)];
    for (const NetValueId made : out.net.op(one.op).outs) out.def_of[Index(made)] = def;
    NetWork& work = out.work[Index(one.op)];
    if (one.kind != AddedOp::Kind::kRecompute) {
      work = work::Move{def};
      continue;
    }
    work = out.work[Index(*makers[Index(one.value)])];
    if (auto* evaluate = std::get_if<work::Evaluate>(&work)) evaluate->again = true;
  }
}

void Adopt(PlannedNet planned, ProgramNet net, Wishes& wishes, CompiledProgram& out) {
  out.net = planned.net ? std::move(*planned.net) : std::move(net.net);
  out.plan = std::move(planned.plan);
  out.work = std::move(net.work);
  out.def_of = std::move(net.def_of);
  if (planned.net) NameAdded(planned.added, out);
  out.details = std::move(planned);
  wishes.branch_of = std::move(net.branch_of);
  wishes.line_of.resize(out.net.ops.size());
}

// One way to carry a program out.
struct Way {
  ProgramNet net;
  Wishes wishes;
  PlannedNet planned;
};

// Whether there is a text that says so.
bool CanBeWritten(const PlanTask& task, Way way) {
  CompiledProgram trial;
  trial.program = task.program;
  trial.devices = task.devices;
  Adopt(std::move(way.planned), std::move(way.net), way.wishes, trial);
  return CompleteSchedule(trial, way.wishes).has_value();
}

class WayFinder {
 public:
  WayFinder(const PlanTask& task, Way& way, Diagnostics& out)
      : task_(task), way_(way), net_(way.net), out_(out), limits_(task.limits) {
    if (net_.net.ops.size() > kMostSearchedOps) limits_.effort = Effort::kFast;
    std::set<uint32_t> memories;
    for (const Devices::Place& place : task.devices.places) {
      if (place.computes) memories.insert(place.memory);
    }
    apart_ = memories.size() > 1;
  }

  Result<bool> Run() {
    PlaceImplied(task_.program, way_.wishes, net_);
    const bool chosen = std::any_of(net_.net.ops.begin(), net_.net.ops.end(),
                                    [](const NetOp& op) { return op.choices.size() > 1; });
    if (chosen && (apart_ || !way_.wishes.lines.empty())) {
      TRY_ASSIGN(const bool fixed, FixPlaces());
      if (!fixed) return false;
    }
    if (!CarryValues(task_.program, task_.devices, task_.values, way_.wishes, net_, out_) ||
        !FitUnlisted(way_.wishes, task_.program, net_, out_)) {
      return false;
    }
    AddLinks();
    Result<PlannedNet> planned = CompileNet(net_.net, task_.objective, limits_);
    if (!planned) return Explain(std::move(planned).error());
    way_.planned = std::move(*planned);
    return true;
  }

 private:
  // Gives each op the place where it is best as if there were one memory; what it takes to move
  // values is known only when all have places.
  Result<bool> FixPlaces() {
    TaskNet joined;
    if (apart_) {
      joined = net_.net;
      joined.memories.assign(1, {});
      for (NetPlace& place : joined.places) place.memory = MemoryId(0);
      for (NetValue& value : joined.values) value.memory = MemoryId(0);
    }
    Result<PlannedNet> placed = CompileNet(apart_ ? joined : net_.net, task_.objective, limits_);
    if (!placed) return Explain(std::move(placed).error());
    for (size_t i = 0; i < net_.net.ops.size(); ++i) {
      NetOp& op = net_.net.ops[i];
      op.choices = {*op.choice_at(placed->place_of[i])};
    }
    return true;
  }

  // The ways out of a memory and back, for values for which there is no room.
  void AddLinks() {
    const Devices& devices = task_.devices;
    for (const Devices::Link& out : devices.links) {
      for (const Devices::Link& back : devices.links) {
        if (out.from != back.to || out.to != back.from) continue;
        net_.net.links.push_back({MemoryId(out.from), MemoryId(out.to), LinkPlace(devices, out),
                                  LinkPlace(devices, back), out.latency_seconds,
                                  out.bytes_per_second});
      }
    }
  }

  // I10 where the budget is the schedule's.
  Result<bool> Explain(Error error) {
    if (error.key != "BUDGET_INFEASIBLE" || way_.wishes.budgets.empty()) {
      return tl::unexpected<Error>(std::move(error));
    }
    const Span where = way_.wishes.budgets.begin()->second;
    out_.Error("I10", where, error.message.substr(0, error.message.find("; need=")))
        .Help("raise the budget, or place some of it elsewhere");
    return false;
  }

  const PlanTask& task_;
  Way& way_;
  ProgramNet& net_;
  Diagnostics& out_;
  SearchLimits limits_;
  bool apart_ = false;  // more than one memory
};

// By the objective, as far as it counts waits and time.
bool IsBetter(const PlannedNet& a, const PlannedNet& b, const NetObjective& objective) {
  using Term = NetObjective::Term;
  const auto worth = [](const PlannedNet& one, Term term) {
    return term == Term::kSyncs      ? static_cast<double>(one.syncs.value)
           : term == Term::kFences   ? static_cast<double>(one.fences.value)
           : term == Term::kMakespan ? one.simulation.makespan
                                     : 0.0;
  };
  for (const Term term : objective.terms) {
    const double x = worth(a, term), y = worth(b, term);
    if (std::abs(x - y) > 1e-6 * std::max(std::abs(x), std::abs(y))) return x < y;
  }
  return false;
}

// Conditionals: each branch as usual, where its condition is computed by whoever has the arms; or
// with the condition at the coordinator; or with both arms computed and one selected.
class BranchWeigher {
 public:
  BranchWeigher(const PlanTask& task, const Diagnostics& out) : task_(task), out_(out) {}

  // `net` and `wishes`: of `best`, before it was planned.
  void Run(ProgramNet net, Wishes wishes, Way& best) {
    if (net.net.ops.size() > kMostWeighedOps) return;
    const size_t count = std::min(task_.program.branches.size(), kMostWeighedBranches);
    for (size_t branch = 0; branch < count; ++branch) {
      if (AtCoordinator(branch, net, wishes, best)) continue;
      if (!CanSpeculate(task_.program, net, branch)) continue;
      ProgramNet both = net;
      Speculate(branch, both);
      if (!Try(both, wishes, best)) continue;
      net = std::move(both);
    }
  }

 private:
  bool AtCoordinator(size_t branch, ProgramNet& net, Wishes& wishes, Way& best) const {
    const Def& condition = task_.program.def(task_.program.branches[branch].condition);
    const auto op = net.op_of[Index(condition.maker)];
    if (!op || !condition.implied || wishes.placed.contains(Index(*op))) return false;
    for (size_t place = 0; place < task_.devices.places.size(); ++place) {
      const NetOp& maker = net.net.op(*op);
      if (!task_.devices.places[place].coordinator || maker.choices.size() < 2 ||
          maker.choice_at(PlaceId(place)) == nullptr) {
        continue;
      }
      ProgramNet hosted = net;
      Wishes fixed = wishes;
      hosted.net.ops[Index(*op)].choices = {*maker.choice_at(PlaceId(place))};
      fixed.placed.try_emplace(Index(*op), Span{});
      if (!Try(hosted, fixed, best)) return false;
      net = std::move(hosted);
      wishes = std::move(fixed);
      return true;
    }
    return false;
  }
  // True if that is better than the best so far.
  bool Try(const ProgramNet& net, const Wishes& wishes, Way& best) const {
    Diagnostics silent(out_.source());
    Way way{net, wishes, {}};
    const Result<bool> found = WayFinder(task_, way, silent).Run();
    if (!found || !*found || !IsBetter(way.planned, best.planned, task_.objective)) return false;
    if (!CanBeWritten(task_, way)) return false;
    best = std::move(way);
    return true;
  }

  const PlanTask& task_;
  const Diagnostics& out_;
};

}  // namespace

Result<bool> PlanProgram(const PlanTask& task, ProgramNet net, Wishes& wishes, Diagnostics& out,
                         CompiledProgram& compiled) {
  const bool weighs = task.weighs_branches && !task.program.branches.empty();
  Way way;
  if (weighs) {
    way.net = net;
    way.wishes = wishes;
  } else {
    way.net = std::move(net);
    way.wishes = std::move(wishes);
  }
  TRY_ASSIGN(const bool found, WayFinder(task, way, out).Run());
  if (found && weighs) BranchWeigher(task, out).Run(std::move(net), std::move(wishes), way);
  wishes = std::move(way.wishes);
  if (!found) return false;
  Adopt(std::move(way.planned), std::move(way.net), wishes, compiled);
  for (size_t i = 0; i < compiled.net.ops.size(); ++i) {
    const auto line = wishes.line_of[i];
    compiled.origins.push_back(line ? wishes.lines[*line].where : Span{});
  }
  return true;
}

}  // namespace tinyai
