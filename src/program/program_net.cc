#include "program/program_net.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "program/extern_calls.h"
#include "program/op_cost.h"

namespace tinyai {
namespace {

class NetBuilder {
 public:
  NetBuilder(const Program& program, const Devices& devices, const Costs& costs,
             const NetScope& scope)
      : program_(program),
        devices_(devices),
        costs_(program, devices, costs),
        scope_(scope),
        counted_(program.defs.size(), false) {
    out_.placed.resize(scope.bodies.size());
    if (scope.body == nullptr) return;
    out_.loop = scope.body->loop;
    for (const uint32_t loop : scope.body->around) Count(program.loops[loop]);
    Count(ThisLoop());
  }

  ProgramNet Build() {
    AddPlaces();
    AddRegions();
    out_.op_of.resize(program_.evals.size());
    out_.value_of.resize(program_.defs.size());
    out_.net.ops.reserve(program_.evals.size());
    out_.net.values.reserve(program_.defs.size());
    out_.work.reserve(program_.evals.size());
    out_.def_of.reserve(program_.defs.size());
    if (scope_.body != nullptr) OpenCarried();
    for (size_t i = 0; i < program_.evals.size(); ++i) {
      const ProgramScope& scope = program_.scope(program_.evals[i].scope);
      const bool entry = scope.kind == ProgramScope::Kind::kLoopEntry;  // comes with its loop
      if (!entry && IsOwnOp(program_.evals[i].scope)) Add(EvalId(i));
    }
    if (scope_.body != nullptr) CloseCarried();
    for (size_t i = 1; i < out_.net.regions.size(); ++i) {
      out_.net.regions[i].condition = ValueOf(program_.branches[out_.branch_of[i]].condition);
    }
    return std::move(out_);
  }

 private:
  void AddPlaces() {
    for (const Devices::Memory& memory : devices_.memories) {
      NetMemory& added = out_.net.memories.emplace_back();
      added.name = memory.name;
      added.budget_bytes = memory.bytes;
      added.alignment = memory.alignment;
    }
    for (const Devices::Place& place : devices_.places) {
      out_.net.places.push_back({place.name, MemoryId(place.memory), place.effects});
    }
  }

  const ProgramLoop& ThisLoop() const { return program_.loops[scope_.body->loop]; }
  // Each place counts by itself.
  void Count(const ProgramLoop& loop) {
    if (loop.index) counted_[Index(*loop.index)] = true;
  }

  // Scopes that hold ops of the net: the program, or the body, arms in it, and what is computed
  // before the first iteration of a loop that is planned by itself.
  bool IsOwnOp(ScopeId scope) const { return own_[Index(scope)]; }
  RegionId RegionOf(ScopeId scope) const { return out_.region_of[Index(scope)]; }
  void Own(ScopeId scope, RegionId region) {
    own_[Index(scope)] = true;
    out_.region_of[Index(scope)] = region;
  }
  // The index into the bodies, where the loop is planned by itself.
  std::optional<uint32_t> BodyOf(uint32_t loop) const {
    for (uint32_t i = 0; i < scope_.bodies.size(); ++i) {
      if (scope_.bodies[i].body->loop == loop) return i;
    }
    return std::nullopt;
  }

  void AddRegions() {
    out_.net.regions.emplace_back();
    out_.branch_of.push_back(0);
    out_.region_of.assign(program_.scopes.size(), RegionId{});
    own_.assign(program_.scopes.size(), false);
    Own(scope_.body != nullptr ? ThisLoop().body : ScopeId{}, RegionId{});
    if (scope_.body != nullptr && !ThisLoop().index) Own(ThisLoop().test, RegionId{});
    for (size_t i = 1; i < program_.scopes.size(); ++i) {
      const ProgramScope& scope = program_.scopes[i];
      const bool arm =
          scope.kind == ProgramScope::Kind::kThen || scope.kind == ProgramScope::Kind::kElse;
      if (!IsOwnOp(scope.parent)) continue;
      if (scope.kind == ProgramScope::Kind::kLoopEntry && BodyOf(scope.index)) {
        Own(ScopeId(i), RegionOf(scope.parent));
      }
      if (!arm) continue;
      NetRegion region;
      region.name = program_.branches[scope.index].text;
      region.parent = RegionOf(scope.parent);
      region.arm = scope.kind == ProgramScope::Kind::kThen;
      Own(ScopeId(i), RegionId(out_.net.regions.size()));
      out_.net.regions.push_back(std::move(region));
      out_.branch_of.push_back(scope.index);
    }
  }

  NetValueId AddValue(DefId id) { return out_.AddValue(program_, id); }
  NetValueId ValueOf(DefId id) { return out_.ValueOf(program_, id); }
  NetOperands Operands(const Eval::Defs& defs) {
    NetOperands out;
    out.reserve(defs.size());
    for (const DefId def : defs) {
      if (!counted_[Index(def)]) out.push_back(ValueOf(def));
    }
    return out;
  }

  // What a place that counts needs not be told.
  bool IsKnownBound(const ProgramLoop& loop, EvalId id) const {
    const auto is_known = [&](DefId bound) {
      return program_.def(bound).maker == id && (loop.trips || ConstantOf(program_, bound));
    };
    return loop.index && (is_known(loop.begin) || is_known(loop.end));
  }
  void Add(EvalId id) {
    const Eval& eval = program_.eval(id);
    const std::optional<uint32_t> body =
        eval.kind == Eval::Kind::kLoop ? BodyOf(eval.index) : std::nullopt;
    if (!body) return AddOp(id);
    for (size_t i = 0; i < program_.evals.size(); ++i) {
      const ProgramLoop& loop = program_.loops[eval.index];
      if (program_.evals[i].scope == loop.entry && !IsKnownBound(loop, EvalId(i))) Add(EvalId(i));
    }
    AddLoop(id, *body);
  }

  // What a `while` does only where it goes on needs what says so.
  bool IsTested(ScopeId scope) const {
    if (scope_.body == nullptr || ThisLoop().index) return false;
    while (scope != ThisLoop().body && scope != ScopeId{}) scope = program_.scope(scope).parent;
    return scope == ThisLoop().body;
  }
  void AddTest(NetOpId op) {
    if (!out_.test) out_.test = ValueOf(ThisLoop().condition);
    out_.net.ops[Index(op)].ins.push_back(*out_.test);
  }

  // --- loops planned by themselves ---

  NetOpId AddPlain(std::string name, RegionId region, NetWork work) {
    NetOp& op = out_.net.ops.emplace_back();
    op.name = std::move(name);
    op.region = region;
    out_.work.push_back(std::move(work));
    return NetOpId(out_.net.ops.size() - 1);
  }
  NetOpId AddCarry(work::Carry::Step step, DefId def, std::optional<DefId> from, RegionId region,
                   NetChoices choices, uint32_t body = 0) {
    const NetOpId id =
        AddPlain(program_.def(def).name, region, work::Carry{step, def, from.value_or(def), body});
    NetOperands ins;
    if (from) ins = Operands({*from});
    out_.net.ops[Index(id)].ins = std::move(ins);
    out_.net.ops[Index(id)].outs = {AddValue(def)};
    out_.net.ops[Index(id)].choices = std::move(choices);
    return id;
  }
  NetChoices Anywhere() const {
    NetChoices out;
    for (uint32_t place = 0; place < devices_.places.size(); ++place) {
      if (devices_.places[place].computes) out.push_back({PlaceId(place), 0, 0});
    }
    return out;
  }

  // In the body: what is carried is taken over at the start of an iteration.
  void OpenCarried() {
    const ProgramLoop& loop = ThisLoop();
    for (uint32_t i = 0; i < loop.carried.size(); ++i) {
      const NetValueId before = AddValue(loop.carried[i].param);
      out_.value_of[Index(loop.carried[i].param)].reset();
      out_.net.values[Index(before)].given = true;
      out_.net.values[Index(before)].name += "@before";
      const NetOpId op =
          AddCarry(work::Carry::Step::kOpen, loop.carried[i].param, {}, RegionId{}, Anywhere());
      out_.net.ops[Index(op)].ins = {before};
      const NetValueId now = out_.net.op(op).outs[0];
      out_.carried.push_back({i, before, now, {}});
    }
  }
  // What is carried on is a value that the body makes, one for each.
  void CloseCarried() {
    std::set<NetValueId> taken;
    for (LoopBody::Carried& one : out_.carried) {
      const ProgramLoop::Carried& carried = ThisLoop().carried[one.carried];
      taken.insert(one.now);
      const auto known = out_.value_of[Index(carried.next)];
      const Eval& maker = program_.eval(program_.def(carried.next).maker);
      const bool made = known && !out_.net.value(*known).given && maker.scope == ThisLoop().body &&
                        !IsNow(*known);
      if (made && taken.insert(*known).second) {
        one.next = *known;
      } else {
        const NetOpId op = AddCarry(work::Carry::Step::kNext, carried.result, carried.next,
                                    RegionOf(ThisLoop().body), Anywhere());
        out_.net.ops[Index(op)].name = program_.def(carried.result).name + "@next";
        if (IsTested(ThisLoop().body)) AddTest(op);
        one.next = out_.net.op(op).outs[0];
        out_.net.values[Index(one.next)].name = out_.net.op(op).name;
      }
      out_.net.values[Index(one.before)].carried_from = one.next;
    }
    const auto again = [&](std::optional<NetOpId> first, std::optional<NetOpId> last) {
      if (first && first != last) {
        out_.net.orders.push_back({*last, *first, NetOrder::Kind::kEffect, 1});
      }
    };
    again(first_input_, last_input_);
    again(first_output_, last_output_);
    out_.net.loops = true;
  }
  bool IsNow(NetValueId value) const {
    return std::any_of(out_.carried.begin(), out_.carried.end(),
                       [&](const LoopBody::Carried& one) { return one.now == value; });
  }

  // Around a loop: for each place what it does in it, and what carries values in and out.
  void AddLoop(EvalId id, uint32_t index) {
    const Eval& eval = program_.eval(id);
    const CompiledProgram& body = scope_.bodies[index];
    const ProgramLoop& loop = program_.loops[eval.index];
    const RegionId region = RegionOf(eval.scope);
    ProgramNet::Placed& placed = out_.placed[index];
    placed.loop = eval.index;
    std::map<NetValueId, NetValueId> start_of;  // by `before`
    for (const LoopBody::Carried& one : body.body->carried) {
      const ProgramLoop::Carried& carried = loop.carried[one.carried];
      const NetOpId op = AddCarry(work::Carry::Step::kStart, carried.param, carried.init, region,
                                  {{PlaceOfNext(body, one), 0, 0}});
      out_.net.ops[Index(op)].name += "@start";
      if (IsTested(eval.scope)) AddTest(op);
      start_of[one.before] = out_.net.op(op).outs[0];
      placed.starts.push_back(op);
    }
    AddMembers(body, index, eval, region, placed);
    for (size_t i = 0; i < body.body->carried.size(); ++i) {
      const LoopBody::Carried& one = body.body->carried[i];
      const ProgramLoop::Carried& carried = loop.carried[one.carried];
      const NetOpId op = AddCarry(work::Carry::Step::kResult, carried.result, {}, region,
                                  {{PlaceOfNext(body, one), 0, 0}}, index);
      out_.net.ops[Index(op)].ins = {start_of.at(one.before)};
      out_.net.ops[Index(op)].in_place = true;
      if (IsTested(eval.scope)) AddTest(op);
      for (const NetOpId member : placed.members) {
        if (out_.net.op(member).choices[0].place != out_.net.op(op).choices[0].place) continue;
        out_.net.orders.push_back({member, op, NetOrder::Kind::kUser, 0});
      }
      placed.results.push_back(op);
    }
    out_.op_of[Index(id)] =
        placed.results.empty() ? placed.members.front() : placed.results.front();
  }
  void AddMembers(const CompiledProgram& body, uint32_t index, const Eval& eval, RegionId region,
                  ProgramNet::Placed& placed) {
    const ProgramLoop& loop = program_.loops[eval.index];
    for (size_t place = 0; place < body.plan.queues.size(); ++place) {
      if (body.plan.queues[place].empty()) continue;
      const NetOpId id = AddPlain("loop " + LoopName(program_, loop), region, work::Loop{index});
      NetOperands ins = out_.LoopOperands(program_, body, placed, PlaceId(place));
      NetOp& op = out_.net.ops[Index(id)];
      op.ins = std::move(ins);
      op.gang = index + 1;
      op.choices = {{PlaceId(place), LoopSeconds(body, costs_.Trips(loop)), 0}};
      if (IsTested(eval.scope)) AddTest(id);
      bool input = false, output = false;
      for (const NetCommand& command : body.plan.queues[place]) {
        input = input || body.net.op(command.op).effect == NetEffect::kInput;
        output = output || body.net.op(command.op).effect == NetEffect::kPrint;
      }
      AddEffects(id, input, output);
      placed.members.push_back(id);
    }
  }

  void AddEffects(NetOpId id, bool input, bool output) {
    if (!input && !output) return;
    out_.net.ops[Index(id)].effect = input ? NetEffect::kInput : NetEffect::kPrint;
    const auto after = [&](std::optional<NetOpId>& first, std::optional<NetOpId>& last) {
      if (last) out_.net.orders.push_back({*last, id, NetOrder::Kind::kEffect, 0});
      if (!first) first = id;
      last = id;
    };
    if (input) after(first_input_, last_input_);
    if (output) after(first_output_, last_output_);
  }

  void AddOp(EvalId id) {
    const Eval& eval = program_.eval(id);
    const NetOpId added = NetOpId(out_.net.ops.size());
    out_.op_of[Index(id)] = added;
    NetOp& op = out_.net.ops.emplace_back();
    op.name = NameOf(eval);
    op.region = RegionOf(eval.scope);
    op.merges = eval.kind == Eval::Kind::kMerge;
    op.ins = Operands(eval.ins);
    for (const DefId def : eval.outs) op.outs.push_back(AddValue(def));
    const std::optional<double> flops = costs_.FlopsAlone(eval);
    for (uint32_t place = 0; place < devices_.places.size(); ++place) {
      if (!CanRun(program_, eval, devices_, place)) continue;
      const double seconds = flops ? costs_.Seconds(*flops, place) : costs_.Seconds(eval, place);
      op.choices.push_back({PlaceId(place), seconds, 0});
    }
    if (IsTested(eval.scope)) AddTest(added);
    AddEffects(added, eval.input, eval.output);
    out_.work.emplace_back(work::Evaluate{id});
  }

  std::string NameOf(const Eval& eval) const {
    if (!eval.outs.empty()) return program_.def(eval.outs[0]).name;
    if (eval.kind == Eval::Kind::kLoop) return "loop " + program_.loops[eval.index].name;
    const bool name = eval.code.size() == 1 && !eval.ins.empty();
    return name ? "output " + program_.def(eval.ins[0]).name : "output";
  }

  const Program& program_;
  const Devices& devices_;
  const OpCosts costs_;
  const NetScope scope_;
  ProgramNet out_;
  std::vector<bool> own_;      // by scope
  std::vector<bool> counted_;  // by def: an index that every place counts by itself
  std::optional<NetOpId> first_input_, last_input_, first_output_, last_output_;
};

}  // namespace

ProgramNet BuildProgramNet(const Program& program, const Devices& devices, const Costs& costs,
                           const NetScope& scope) {
  return NetBuilder(program, devices, costs, scope).Build();
}

std::string LoopName(const Program& program, const ProgramLoop& loop) {
  return loop.index ? program.def(*loop.index).name : loop.name;
}

std::optional<int64_t> ConstantOf(const Program& program, DefId def) {
  const Eval& eval = program.eval(program.def(def).maker);
  const bool constant = eval.kind == Eval::Kind::kCompute && eval.code.size() == 1 &&
                        eval.code[0].kind == ExprNode::Kind::kConstant;
  return constant ? std::optional(eval.code[0].integer) : std::nullopt;
}

std::vector<NetValueId> GivenReadAt(const CompiledProgram& body, PlaceId place) {
  std::set<NetValueId> out;
  for (const NetCommand& command : body.plan.queues[Index(place)]) {
    const NetOp& op = body.net.op(command.op);
    const auto read = [&](NetValueId value) {
      if (body.net.value(value).given) out.insert(value);
    };
    std::for_each(op.ins.begin(), op.ins.end(), read);
    EachCondition(body.net, op.region, read);
  }
  return {out.begin(), out.end()};
}

namespace {

// For all that is called in the eval, in functions that it calls too.
bool HasKernels(const Program& program, const Eval& eval, const Devices::Place& place) {
  bool all = true;
  EachExternCall(program, eval, [&](const Eval&, const ExprNode& node) {
    return all = ExternAt(program, node, place).has_value();
  });
  return all;
}

}  // namespace

bool CanRun(const Program& program, const Eval& eval, const Devices& devices, uint32_t place) {
  const Devices::Place& at = devices.places[place];
  if (!at.computes) return false;
  if ((eval.input || eval.output) && !at.effects) return false;
  if (at.branching == Devices::Branching::kNone && Index(eval.scope) != 0) return false;
  const bool plain = std::all_of(eval.code.begin(), eval.code.end(), [](const ExprNode& node) {
    return node.kind < ExprNode::Kind::kExtern;
  });
  if (plain && eval.kind != Eval::Kind::kLoop) return true;
  const auto can = [&](const ExprNode& node) {
    switch (node.kind) {
      case ExprNode::Kind::kExtern:
      case ExprNode::Kind::kClass:
        return ExternAt(program, node, at).has_value();
      case ExprNode::Kind::kCall:  // shaders do not recurse
        return at.api == Devices::Api::kThread && at.branching == Devices::Branching::kFull &&
               HasKernels(program, eval, at);
      default:
        return true;
    }
  };
  if (!std::all_of(eval.code.begin(), eval.code.end(), can)) return false;
  if (eval.kind != Eval::Kind::kLoop) return true;
  if (at.branching != Devices::Branching::kFull) return false;
  // What is inside.
  const auto inside = [&](ScopeId scope) {
    for (; Index(scope) != 0; scope = program.scope(scope).parent) {
      const ProgramScope& one = program.scope(scope);
      const bool loop = one.kind == ProgramScope::Kind::kLoopBody ||
                        one.kind == ProgramScope::Kind::kLoopTest ||
                        one.kind == ProgramScope::Kind::kLoopEntry;
      if (loop && one.index == eval.index) return true;
    }
    return false;
  };
  return std::all_of(program.evals.begin(), program.evals.end(), [&](const Eval& other) {
    return !inside(other.scope) || std::all_of(other.code.begin(), other.code.end(), can);
  });
}

}  // namespace tinyai
