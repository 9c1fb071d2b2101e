#include "program/review_schedule.h"

#include <algorithm>
#include <set>

#include "fmt/format.h"
#include "program/speculate.h"
#include "solve/sync_two_places.h"

namespace tinyai {
namespace {

using LineKind = WishedLine::Kind;

// What cannot start before `op` has ended, itself among it.
std::vector<bool> After(const NeedLists& after, NetOpId op, size_t ops) {
  std::vector<bool> seen(ops, false);
  std::vector<NetOpId> stack = {op};
  seen[Index(op)] = true;
  while (!stack.empty()) {
    const NetOpId at = stack.back();
    stack.pop_back();
    for (const NetNeed& need : after.of(at)) {
      if (need.distance != 0 || seen[Index(need.later)]) continue;
      seen[Index(need.later)] = true;
      stack.push_back(need.later);
    }
  }
  return seen;
}

std::vector<const WishedLine*> Prints(const Wishes& wishes) {
  std::vector<const WishedLine*> out;
  for (const WishedLine& line : wishes.lines) {
    if (line.kind == LineKind::kPrint) out.push_back(&line);
  }
  return out;
}

// --- W3 ---

// Of each op, whether the first and the second of two places can have it; nothing if there are
// not just two.
class TwoPlaces {
 public:
  TwoPlaces(const Program& program, const Devices& devices, const ProgramNet& net)
      : program_(program), devices_(devices), net_(net) {
    std::set<uint32_t> computing;
    for (uint32_t i = 0; i < devices.places.size(); ++i) {
      if (devices.places[i].computes) computing.insert(i);
    }
    if (computing.size() != 2) return;
    places_ = {*computing.begin(), *computing.rbegin()};
    for (size_t i = 0; i < net.net.ops.size(); ++i) {
      unsigned mask = 0;
      for (const NetChoice& choice : net.net.ops[i].choices) {
        for (unsigned p = 0; p < 2; ++p) {
          if (Index(choice.place) == places_[p]) mask |= 1u << p;
        }
      }
      if (mask == 0) return;
      syncs_.place.push_back(0);
      allowed_.push_back(static_cast<uint8_t>(mask));
    }
    syncs_.places = 2;
    for (const NetNeed& need : Needs(net.net)) {
      if (need.distance != 0) continue;
      syncs_.edges.push_back(
          {static_cast<uint32_t>(need.earlier), static_cast<uint32_t>(need.later)});
    }
    good_ = true;
  }

  bool good() const { return good_; }
  uint32_t Syncs() const { return PlaceOnTwo(syncs_, allowed_).syncs; }
  // The fewest if these ops may be wherever they can be.
  uint32_t SyncsWithout(const NetOps& ops) const {
    std::vector<uint8_t> allowed = allowed_;
    for (const NetOpId op : ops) {
      const auto* evaluate = std::get_if<work::Evaluate>(&net_.work[Index(op)]);
      if (evaluate == nullptr) continue;
      for (unsigned p = 0; p < 2; ++p) {
        const bool can = CanRun(program_, program_.eval(evaluate->eval), devices_, places_[p]);
        if (can) allowed[Index(op)] = static_cast<uint8_t>(allowed[Index(op)] | 1u << p);
      }
    }
    return PlaceOnTwo(syncs_, allowed).syncs;
  }

 private:
  const Program& program_;
  const Devices& devices_;
  const ProgramNet& net_;
  std::array<uint32_t, 2> places_{};
  SyncNet syncs_;
  std::vector<uint8_t> allowed_;  // by op
  bool good_ = false;
};

// --- W5 ---

// What the operands of an op are made of, itself among it.
std::vector<bool> Ancestors(const TaskNet& net, NetOpId op) {
  const std::vector<std::optional<NetOpId>> makers = Makers(net);
  std::vector<bool> seen(net.ops.size(), false);
  std::vector<NetOpId> stack = {op};
  seen[Index(op)] = true;
  while (!stack.empty()) {
    const NetOp& at = net.op(stack.back());
    stack.pop_back();
    const auto visit = [&](NetValueId value) {
      const auto maker = makers[Index(value)];
      if (!maker || seen[Index(*maker)]) return;
      seen[Index(*maker)] = true;
      stack.push_back(*maker);
    };
    for (const NetValueId in : at.ins) visit(in);
    EachCondition(net, at.region, visit);
  }
  return seen;
}

// W5: a whole number divided by what is 0 whatever comes in.
void WarnOfZeros(const Program& program, Diagnostics& values) {
  using Kind = ExprNode::Kind;
  for (const Eval& eval : program.evals) {
    for (const ExprNode& node : eval.code) {
      if (node.kind != Kind::kDivide && node.kind != Kind::kModulo) continue;
      if (node.type.scalar != Scalar::kI32 && node.type.scalar != Scalar::kI64) continue;
      const ExprNode& divisor = eval.code[node.args[1]];
      if (divisor.kind != Kind::kConstant || divisor.integer != 0) continue;
      values.Warning("W5", eval.where, "this divides by 0, which gives 0, and a run says so")
          .Help("divide by something else, or write the 0");
      break;
    }
  }
}

}  // namespace

void CheckPrintOrder(const Wishes& wishes, const ProgramNet& net, Diagnostics& out) {
  const std::vector<const WishedLine*> prints = Prints(wishes);
  std::optional<NeedLists> after;
  for (size_t i = 1; i < prints.size() && !out.full(); ++i) {
    const WishedLine &first = *prints[i - 1], &second = *prints[i];
    if (first.place == second.place) continue;
    const size_t ops = net.net.ops.size();
    if (!after) after = NeedLists::ByEarlier(Needs(net.net), ops);
    const NetOpId a = first.ops[0], b = second.ops[0];
    if (After(*after, a, ops)[Index(b)] || After(*after, b, ops)[Index(a)]) continue;
    const auto name = [&](NetOpId op, const WishedLine& line) {
      return fmt::format("`{}` ({})", net.net.op(op).name, net.net.place(line.place).name);
    };
    out.Error("A6", second.where,
              fmt::format("output order of {} and {} is not determined", name(a, first),
                          name(b, second)))
        .NoteAt(first.where, "the other print")
        .Help("record a fence after one of them and wait for it before the other");
  }
}

void WarnOfPlaces(const Program& program, const Devices& devices, const Wishes& wishes,
                  const ProgramNet& net, Diagnostics& out) {
  constexpr size_t kMostWork = 4'000'000;  // ops looked at: a fraction of a second
  if (!net.net.fixed_syncs.empty()) return;
  size_t listed = 0;
  for (const WishedLine& line : wishes.lines) listed += line.kind == LineKind::kEvaluate ? 1 : 0;
  if (listed == 0 || listed * net.net.ops.size() > kMostWork) return;
  const TwoPlaces places(program, devices, net);
  if (!places.good()) return;
  const uint32_t syncs = places.Syncs();
  if (syncs < 3) return;
  for (const WishedLine& line : wishes.lines) {
    if (line.kind != LineKind::kEvaluate) continue;
    // An op with another place spares a path at most two crossings, the one to it and the one back.
    if (4 * line.ops.size() < syncs) continue;
    const uint32_t without = places.SyncsWithout(line.ops);
    if (2 * without > syncs) continue;
    out.Warning("W3", line.where,
                fmt::format("with '{}' on {} at least {} syncs are needed, elsewhere {}",
                            net.net.op(line.ops.front()).name, net.net.place(line.place).name,
                            syncs, without))
        .Help("leave its place to the compiler, if nothing else asks for this one");
  }
}

void WarnOfUnused(const Program& program, const Wishes& wishes, const ProgramNet& net,
                  Diagnostics& values) {
  std::vector<bool> used(program.defs.size(), false);
  const auto use = [&](DefId def) { used[Index(def)] = true; };
  bool gives = !Prints(wishes).empty();
  for (const Eval& eval : program.evals) {
    gives = gives || eval.output;
    for (const DefId in : eval.ins) use(in);
  }
  WarnOfZeros(program, values);
  if (!gives) return;
  for (const Branch& branch : program.branches) use(branch.condition);
  for (const ProgramLoop& loop : program.loops) {
    for (const ProgramLoop::Carried& one : loop.carried) {
      for (const DefId def : {one.init, one.param, one.next, one.result}) use(def);
    }
  }
  for (const WishedLine& line : wishes.lines) {
    for (const NetOpId op : line.ops) {
      for (const NetValueId value : net.net.op(op).outs) use(net.def_of[Index(value)]);
      const auto* print = std::get_if<work::Print>(&net.work[Index(op)]);
      if (print != nullptr) std::for_each(print->defs.begin(), print->defs.end(), use);
    }
  }
  for (size_t i = 0; i < program.defs.size(); ++i) {
    const Def& def = program.defs[i];
    if (used[i] || def.implied || !net.value_of[i] || program.eval(def.maker).input) continue;
    if (values.has_warned()) return;
    values.Warning("W4", def.where, fmt::format("'{}' is computed, and nobody uses it", def.name))
        .Help(fmt::format("delete it, or give it out: output {};", def.name));
  }
}

void WarnOfTraps(const Program& program, const Wishes& wishes, const CompiledProgram& compiled,
                 const SourceText& values, Diagnostics& out) {
  const TaskNet& net = compiled.net;
  std::vector<NetOpId> divisions;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const auto* evaluate = std::get_if<work::Evaluate>(&compiled.work[i]);
    if (evaluate != nullptr && MayTrap(program.eval(evaluate->eval))) {
      divisions.push_back(NetOpId(i));
    }
  }
  const std::vector<const WishedLine*> prints = Prints(wishes);
  if (divisions.empty() || prints.empty()) return;
  std::vector<NetNeed> needs = Needs(net);
  for (const std::vector<NetCommand>& queue : compiled.plan.queues) {
    for (size_t at = 1; at < queue.size(); ++at) {
      needs.push_back({queue[at - 1].op, queue[at].op});
      for (const NetSync& sync : queue[at].syncs) {
        const NetFence& fence = compiled.plan.fences[sync.fence];
        needs.push_back({compiled.plan.queues[Index(fence.place)][fence.command].op, queue[at].op});
      }
    }
  }
  const NeedLists after = NeedLists::ByEarlier(needs, net.ops.size());
  std::set<NetOpId> said;
  constexpr size_t kMostPrints = 100;
  for (size_t i = 0; i < std::min(prints.size(), kMostPrints); ++i) {
    const NetOpId print = prints[i]->ops[0];
    const std::vector<bool> behind = After(after, print, net.ops.size());
    const std::vector<bool> made_of = Ancestors(net, print);
    for (const NetOpId op : divisions) {
      if (behind[Index(op)] || made_of[Index(op)] || !said.insert(op).second) continue;
      const Eval& eval = program.eval(std::get<work::Evaluate>(compiled.work[Index(op)]).eval);
      out.Warning("W5", prints[i]->where,
                  fmt::format("'{}' may divide by 0 before this print, which does not need it",
                              net.op(op).name))
          .NoteIn(values, eval.where, "the division")
          .Help(fmt::format("list '{}' after the print", net.op(op).name));
    }
  }
}

}  // namespace tinyai
