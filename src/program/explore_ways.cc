#include "program/explore_ways.h"

#include <algorithm>
#include <queue>

#include "program/op_cost.h"
#include "program/speculate.h"

namespace tinyai {
namespace {

// Larger nets, and more branches, are carried out as usual.
constexpr size_t kMostOps = 300, kMostBranches = 8;
// How many ways are planned: fewer of larger nets and more places, which take longer.
constexpr size_t kMostPlannedOps = 20'000, kMostWays = 1000, kMostWaysExact = 1'000'000;
// Bodies of loops are planned several times.
constexpr size_t kBodyShare = 8;

}  // namespace

WayExplorer::WayExplorer(const PlanTask& task, const ProgramNet& net, const Wishes& wishes,
                         const SourceText& text)
    : task_(task), net_(net), wishes_(wishes), text_(text) {
  FindFree();
  FindAgains();
}

// Statements that the schedule puts nowhere. What belongs to an `if` goes with its arms.
void WayExplorer::FindFree() {
  for (size_t i = 0; i < net_.net.ops.size(); ++i) {
    const NetOp& op = net_.net.ops[i];
    const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[i]);
    if (evaluate == nullptr || op.choices.size() < 2 || op.outs.empty()) continue;
    if (!task_.program.def(net_.def_of[Index(op.outs[0])]).implied) free_.push_back(NetOpId(i));
  }
}

void WayExplorer::FindAgains() {
  readers_.resize(net_.net.ops.size());
  const std::vector<std::optional<NetOpId>> makers = Makers(net_.net);
  size_t given = 0;
  for (size_t i = 0; i < net_.net.ops.size(); ++i) {
    for (const NetValueId in : net_.net.ops[i].ins) {
      if (const auto maker = makers[Index(in)]) readers_[Index(*maker)].push_back(NetOpId(i));
    }
  }
  const OpCosts costs(task_.program, task_.devices, task_.costs);
  for (size_t i = 0; i < net_.net.ops.size(); ++i) {
    const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[i]);
    if (evaluate == nullptr) continue;
    given += evaluate->again;
    const Eval& eval = task_.program.eval(evaluate->eval);
    if (evaluate->again || eval.kind != Eval::Kind::kCompute || eval.input || eval.outs.empty()) {
      continue;
    }
    for (uint32_t place = 0; place < task_.devices.places.size(); ++place) {
      if (!CanRun(task_.program, eval, task_.devices, place)) continue;
      again_.emplace_back(NetOpId(i), PlaceId(place));
    }
  }
  most_agains_ = task_.costs.recompute > given ? task_.costs.recompute - given : 0;
}

// The op of a condition that the coordinator could compute.
std::optional<NetOpId> WayExplorer::HostedCondition(size_t branch) const {
  const Def& condition = task_.program.def(task_.program.branches[branch].condition);
  const std::optional<NetOpId> op = net_.op_of[Index(condition.maker)];
  if (!op || !condition.implied || wishes_.IsPlaced(*op)) return std::nullopt;
  return net_.net.op(*op).choices.size() < 2 ? std::nullopt : op;
}

// What the schedule lists in an arm stays there.
bool WayExplorer::MayComputeBoth(size_t branch) const {
  const Program& program = task_.program;
  for (const auto& [listed, condition] : wishes_.conditions) {
    for (ScopeId at = program.branches[listed].then; Index(at) != 0;
         at = program.scope(at).parent) {
      const ProgramScope& scope = program.scope(at);
      const bool arm =
          scope.kind == ProgramScope::Kind::kThen || scope.kind == ProgramScope::Kind::kElse;
      if (arm && scope.index == branch) return false;
    }
  }
  return CanSpeculate(program, net_, branch);
}

bool WayExplorer::IsReadAt(const Found& found, NetOpId op, PlaceId place) const {
  if (found.place_of[Index(op)] == place) return false;
  return std::any_of(readers_[Index(op)].begin(), readers_[Index(op)].end(),
                     [&](NetOpId reader) { return found.place_of[Index(reader)] == place; });
}

std::vector<WayExplorer::Choice> WayExplorer::Neighbours(const Found& found) const {
  std::vector<Choice> out;
  for (size_t i = 0; i < free_.size(); ++i) {
    for (const NetChoice& choice : net_.net.op(free_[i]).choices) {
      if (choice.place == found.choice.places[i]) continue;
      out.push_back(found.choice);
      out.back().places[i] = choice.place;
    }
  }
  for (size_t branch = 0; branch < found.choice.arms.size(); ++branch) {
    for (const Arms arms : {Arms::kUsual, Arms::kHost, Arms::kBoth}) {
      if (arms == found.choice.arms[branch]) continue;
      if (arms == Arms::kHost && !HostedCondition(branch)) continue;
      if (arms == Arms::kBoth && !MayComputeBoth(branch)) continue;
      out.push_back(found.choice);
      out.back().arms[branch] = arms;
    }
  }
  for (const auto& again : found.choice.agains) {
    out.push_back(found.choice);
    out.back().agains.erase(again);
  }
  for (const auto& again : again_) {
    if (found.choice.agains.size() >= most_agains_) break;
    if (found.choice.agains.contains(again) || !IsReadAt(found, again.first, again.second)) {
      continue;
    }
    out.push_back(found.choice);
    out.back().agains.insert(again);
  }
  return out;
}

// Ops that a plan adds come after those of the program.
WayExplorer::Found WayExplorer::Describe(const Choice& choice, const Way& way) const {
  Found out{choice, way.figures, way.planned.place_of};
  out.place_of.resize(net_.net.ops.size());
  return out;
}

Way WayExplorer::Start(const Choice& choice) const {
  Way out{net_, wishes_, {}, {}};
  const auto fix = [&](NetOpId op, PlaceId place) {
    NetOp& fixed = out.net.net.ops[Index(op)];
    fixed.choices = {*fixed.choice_at(place)};
    out.wishes.SetPlaced(op);
  };
  for (size_t i = 0; i < free_.size(); ++i) fix(free_[i], choice.places[i]);
  for (size_t branch = 0; branch < choice.arms.size(); ++branch) {
    if (choice.arms[branch] == Arms::kBoth) Speculate(branch, out.net);
    if (choice.arms[branch] != Arms::kHost) continue;
    const NetOpId condition = *HostedCondition(branch);
    for (size_t place = 0; place < task_.devices.places.size(); ++place) {
      const bool can = out.net.net.op(condition).choice_at(PlaceId(place)) != nullptr;
      if (task_.devices.places[place].coordinator && can) fix(condition, PlaceId(place));
    }
  }
  const OpCosts costs(task_.program, task_.devices, task_.costs);
  for (const auto& [op, place] : choice.agains) {
    const auto& evaluate = std::get<work::Evaluate>(net_.work[Index(op)]);
    const double seconds =
        costs.Seconds(task_.program.eval(evaluate.eval), static_cast<uint32_t>(place));
    out.net.AddAgain(op, {place, seconds, 0}, out.net.net.op(op).region);
  }
  return out;
}

void WayExplorer::Run(const WayVisitor& visit, Way& best) {
  const size_t ops = net_.net.ops.size();
  if (ops > kMostOps || task_.limits.effort == Effort::kFast) return;
  const bool exact = task_.limits.effort == Effort::kExact;
  const size_t places = net_.net.places.size();
  const size_t planned_ops = kMostPlannedOps / (task_.body != nullptr ? kBodyShare : 1);
  const size_t most =
      exact ? kMostWaysExact : std::clamp(planned_ops / (ops * places), size_t{1}, kMostWays);
  Choice first;
  for (const NetOpId op : free_) first.places.push_back(best.planned.place_of[Index(op)]);
  first.arms.resize(std::min(task_.program.branches.size(), kMostBranches));
  const auto worse = [&](const Found& a, const Found& b) {
    return IsBetter(b.figures, a.figures, task_.objective);
  };
  std::priority_queue<Found, std::vector<Found>, decltype(worse)> queue(worse);
  std::set<Choice> seen = {first};
  queue.push(Describe(first, best));
  size_t planned = 0;
  while (!queue.empty()) {
    const Found from = queue.top();
    queue.pop();
    for (Choice& choice : Neighbours(from)) {
      if (!seen.insert(choice).second) continue;
      if (planned++ == most || task_.limits.expired()) return;
      Diagnostics silent(text_);
      Way way = Start(choice);
      const Result<bool> found = FindWay(task_, visit, way, silent);
      if (!found || !*found) continue;
      queue.push(Describe(choice, way));
      if (!IsBetter(way.figures, best.figures, task_.objective) || !Written(task_, way)) continue;
      best = std::move(way);
    }
  }
}

}  // namespace tinyai
