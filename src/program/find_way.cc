#include "program/find_way.h"

#include <algorithm>
#include <set>
#include <utility>

#include "program/carry_values.h"
#include "program/complete_schedule.h"
#include "program/free_values.h"
#include "program/order_lines.h"
#include "program/place_implied.h"

namespace tinyai {
namespace {

// Larger nets are planned without search.
constexpr size_t kMostSearchedOps = 5000;

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

class WayFinder {
 public:
  WayFinder(const PlanTask& task, const WayVisitor& visit, Way& way, Diagnostics& out)
      : task_(task), visit_(visit), way_(way), net_(way.net), out_(out), limits_(task.limits) {
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
    const bool closed = std::any_of(way_.wishes.has_closed.begin(), way_.wishes.has_closed.end(),
                                    [](bool is) { return is; });
    if (chosen && (apart_ || closed || !way_.wishes.lines.empty())) {
      TRY_ASSIGN(const bool fixed, FixPlaces());
      if (!fixed) return false;
    }
    if (!CarryValues(task_.program, task_.devices, task_.values, way_.wishes, net_, out_) ||
        !EndFreed(task_.program, task_.values, way_.wishes, net_, out_) ||
        !FitUnlisted(way_.wishes, task_.program, net_, out_)) {
      return false;
    }
    AddLinks();
    PlanVisitor seen;
    if (visit_) {
      seen = [&](const PlannedNet& planned) { visit_(net_, way_.wishes, planned); };
    }
    Result<PlannedNet> planned = CompileNet(net_.net, task_.objective, limits_, seen);
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
      op.choices = NetChoices{*op.choice_at(placed->place_of[i])};
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
  const WayVisitor& visit_;
  Way& way_;
  ProgramNet& net_;
  Diagnostics& out_;
  SearchLimits limits_;
  bool apart_ = false;  // more than one memory
};

}  // namespace

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

std::optional<Schedule> Written(const PlanTask& task, Way way) {
  CompiledProgram trial;
  trial.program = task.program;
  trial.devices = task.devices;
  Adopt(std::move(way.planned), std::move(way.net), way.wishes, trial);
  return CompleteSchedule(trial, way.wishes);
}

PlanFigures FiguresOf(const PlanTask& task, const ProgramNet& net, const PlannedNet& planned) {
  PlanFigures out = FiguresOf(planned.net ? *planned.net : net.net, planned, task.objective);
  for (const NetWork& work : net.work) {
    const auto* evaluate = std::get_if<work::Evaluate>(&work);
    out.recomputed += evaluate != nullptr && evaluate->again;
  }
  return out;
}

Result<bool> FindWay(const PlanTask& task, const WayVisitor& visit, Way& way, Diagnostics& out) {
  TRY_ASSIGN(const bool found, WayFinder(task, visit, way, out).Run());
  if (found) way.figures = FiguresOf(task, way.net, way.planned);
  return found;
}

}  // namespace tinyai
