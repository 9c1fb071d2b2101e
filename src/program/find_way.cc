#include "program/find_way.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "program/carry_values.h"
#include "program/complete_schedule.h"
#include "program/free_values.h"
#include "program/links.h"
#include "program/op_cost.h"
#include "program/order_lines.h"
#include "program/place_implied.h"
#include "program/widen_loop.h"

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
    OpenWhereMade();
    const bool chosen = std::any_of(net_.net.ops.begin(), net_.net.ops.end(),
                                    [](const NetOp& op) { return op.choices.size() > 1; });
    const bool closed = std::any_of(way_.wishes.has_closed.begin(), way_.wishes.has_closed.end(),
                                    [](bool is) { return is; });
    if (chosen && (apart_ || closed || !way_.wishes.lines.empty() || net_.loop)) {
      TRY_ASSIGN(const bool fixed, FixPlaces());
      if (!fixed) return false;
    }
    OpenWhereMade();
    LookEverywhere();
    if (!CarryValues(task_.program, task_.devices, task_.values, way_.wishes, net_, out_) ||
        !EndFreed(task_.program, task_.values, way_.wishes, net_, out_)) {
      return false;
    }
    std::vector<uint32_t> circle_of;
    net_.widens = net_.loop && !net_.test && CanWiden(net_.net);
    if (net_.window > 1) {
      if (!net_.widens) return Apart();
      circle_of = Widen(net_);
    }
    WaitFirst();
    if (!FitUnlisted(way_.wishes, task_.program, net_, out_)) return false;
    AddLinks();
    LayOutGiven(net_.net);
    PlanVisitor seen;
    if (visit_) {
      seen = [&](const PlannedNet& planned) { visit_(net_, way_.wishes, planned); };
    }
    Result<PlannedNet> planned = CompileNet(net_.net, task_.objective, limits_, seen);
    if (!planned && SaysStale(planned.error())) return false;
    if (!planned) return Explain(std::move(planned).error());
    if (net_.window > 1 && (planned->net || !IsTogether(circle_of, planned->plan))) return Apart();
    if (net_.window > 1) {  // only the planner holds circles together
      for (NetOp& op : net_.net.ops) op.gang = 0;
    }
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
    if (!placed && SaysStale(placed.error())) return false;
    if (!placed) return Explain(std::move(placed).error());
    for (size_t i = 0; i < net_.net.ops.size(); ++i) {
      NetOp& op = net_.net.ops[i];
      op.choices = NetChoices{*op.choice_at(placed->place_of[i])};
    }
    return true;
  }

  // What a loop carries is taken over where it was made, as far as that is known.
  void OpenWhereMade() {
    if (net_.carried.empty()) return;
    const std::vector<std::optional<NetOpId>> makers = Makers(net_.net);
    for (const LoopBody::Carried& one : net_.carried) {
      const NetChoices& made = net_.net.op(*makers[Index(one.next)]).choices;
      if (made.size() > 1) continue;
      const PlaceId place = made.front().place;
      net_.net.ops[Index(*makers[Index(one.now)])].choices = {{place, 0, 0}};
    }
  }

  // Each place that goes round in a `while` looks whether it goes on.
  void LookEverywhere() {
    if (!net_.test) return;
    std::vector<bool> looks(net_.net.places.size(), false), there = looks;
    for (const NetOp& op : net_.net.ops) {
      const size_t place = Index(op.choices.front().place);
      there[place] = true;
      looks[place] =
          looks[place] || std::find(op.ins.begin(), op.ins.end(), *net_.test) != op.ins.end();
    }
    for (uint32_t place = 0; place < looks.size(); ++place) {
      if (!there[place] || looks[place]) continue;
      const NetOpId mark = net_.AddMark(PlaceId(place), RegionId{}, "test");
      net_.net.ops[Index(mark)].ins = {*net_.test};
    }
  }

  // Whoever waits for the iteration before at the start of one does so before all that the schedule
  // of the loop does not list.
  void WaitFirst() {
    std::set<NetOpId> back, now;
    for (const NetFixedSync& sync : net_.net.fixed_syncs) {
      (sync.distance != 0 ? back : now).insert(sync.waiter);
    }
    if (back.empty()) return;
    std::vector<std::optional<NetOpId>> waits(net_.net.places.size());
    std::vector<bool> ended(waits.size(), false);
    for (const WishedLine& line : way_.wishes.lines) {
      const NetOpId op = line.ops.front();
      const size_t place = Index(line.place);
      ended[place] =
          ended[place] || Index(line.region) != 0 || !back.contains(op) || now.contains(op);
      if (!ended[place]) waits[place] = op;
    }
    for (uint32_t i = 0; i < net_.net.ops.size(); ++i) {
      const auto& lines = way_.wishes.line_of;
      const auto& wait = waits[Index(net_.net.ops[i].choices.front().place)];
      if (!wait || (i < lines.size() && lines[i])) continue;
      net_.net.orders.push_back({*wait, NetOpId(i), NetOrder::Kind::kUser, 0});
    }
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

  static tl::unexpected<Error> Apart() {
    return Fail(ErrorCode::kSchedule, "NET_INVALID",
                "a sync or fence stands between what iterations hand to each other");
  }

  // I6 where it is a sync of the schedule that the checker finds to be stale.
  bool SaysStale(const Error& error) {
    if (error.key != "PLAN_INVALID") return false;
    for (const WishedLine& line : way_.wishes.lines) {
      if (line.kind != WishedLine::Kind::kSync) continue;
      const std::string& name = net_.net.op(line.ops.front()).name;
      if (error.message.find(fmt::format("({}): its sync on ", name)) == std::string::npos) {
        continue;
      }
      out_.Error("I6", line.where,
                 fmt::format("stale sync: {} has heard of that before {}",
                             net_.net.place(line.place).name, name))
          .Help("move the sync further ahead, or delete it");
      return true;
    }
    return false;
  }

  // I10 where the budget is the schedule's.
  Result<bool> Explain(Error error) {
    if (error.key != "BUDGET_INFEASIBLE" || way_.wishes.budgets.empty()) {
      return tl::unexpected<Error>(std::move(error));
    }
    const Span where = way_.wishes.budgets.begin()->second;
    const std::string_view message = error.message;
    constexpr std::string_view kNeed = "; need=";
    const size_t end = std::min(message.find(kNeed), message.size());
    const std::string_view need = message.substr(std::min(end + kNeed.size(), message.size()));
    out_.Error("I10", where, std::string(message.substr(0, end)))
        .Help(fmt::format("raise the budget to at least {}, or place some of it elsewhere", need));
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

void LayOutGiven(TaskNet& net) {
  if (!net.loops) return;
  for (NetMemory& memory : net.memories) memory.reserved_bytes = 0;
  for (NetValue& value : net.values) {
    if (!value.given) continue;
    NetMemory& memory = net.memories[Index(value.memory)];
    value.offset = RoundUp(memory.reserved_bytes, memory.alignment);
    memory.reserved_bytes = *value.offset + value.bytes;
  }
}

void Adopt(PlannedNet planned, ProgramNet net, Wishes& wishes, CompiledProgram& out) {
  out.net = planned.net ? std::move(*planned.net) : std::move(net.net);
  out.plan = std::move(planned.plan);
  out.work = std::move(net.work);
  out.def_of = std::move(net.def_of);
  if (out.body) out.body->widens = net.widens;
  if (planned.net) NameAdded(planned.added, out);
  out.details = std::move(planned);
  wishes.branch_of = std::move(net.branch_of);
  wishes.line_of.resize(out.net.ops.size());
}

std::optional<Schedule> Written(const PlanTask& task, Way way) {
  CompiledProgram trial;
  trial.program = task.program;
  trial.devices = task.devices;
  if (task.body != nullptr) trial.body = *task.body;
  if (task.bodies != nullptr) trial.bodies = *task.bodies;
  Adopt(std::move(way.planned), std::move(way.net), way.wishes, trial);
  return CompleteSchedule(trial, way.wishes);
}

PlanFigures FiguresOf(const PlanTask& task, const ProgramNet& net, const PlannedNet& planned) {
  PlanFigures out = FiguresOf(planned.net ? *planned.net : net.net, planned, task.objective);
  for (const NetWork& work : net.work) {
    const auto* evaluate = std::get_if<work::Evaluate>(&work);
    out.recomputed += evaluate != nullptr && evaluate->again;
  }
  if (task.bodies == nullptr) return out;
  const OpCosts costs(task.program, task.devices, task.costs);
  for (const CompiledProgram& body : *task.bodies) {
    const double trips = costs.Trips(task.program.loops[body.body->loop]);
    const double turns = std::ceil(trips / static_cast<double>(body.body->window));
    out.syncs += turns * body.figures.syncs;
    out.fences += turns * body.figures.fences;
    out.moved_bytes += turns * body.figures.moved_bytes;
    out.recomputed += trips * body.figures.recomputed;
  }
  return out;
}

Result<bool> FindWay(const PlanTask& task, const WayVisitor& visit, Way& way, Diagnostics& out) {
  TRY_ASSIGN(const bool found, WayFinder(task, visit, way, out).Run());
  if (found) way.figures = FiguresOf(task, way.net, way.planned);
  return found;
}

}  // namespace tinyai
