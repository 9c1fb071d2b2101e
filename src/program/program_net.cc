#include "program/program_net.h"

#include <algorithm>
#include <utility>

#include "program/op_cost.h"

namespace tinyai {
namespace {

class NetBuilder {
 public:
  NetBuilder(const Program& program, const Devices& devices, const Costs& costs)
      : program_(program), devices_(devices), costs_(program, devices, costs) {}

  ProgramNet Build() {
    AddPlaces();
    AddRegions();
    out_.op_of.resize(program_.evals.size());
    out_.value_of.resize(program_.defs.size());
    out_.net.ops.reserve(program_.evals.size());
    out_.net.values.reserve(program_.defs.size());
    out_.work.reserve(program_.evals.size());
    out_.def_of.reserve(program_.defs.size());
    for (size_t i = 0; i < program_.evals.size(); ++i) {
      if (IsOwnOp(program_.evals[i].scope)) AddOp(EvalId(i));
    }
    for (NetRegion& region : out_.net.regions) {
      if (&region == &out_.net.regions[0]) continue;
      const size_t index = static_cast<size_t>(&region - out_.net.regions.data());
      region.condition = out_.value_of[Index(program_.branches[out_.branch_of[index]].condition)];
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

  // Scopes that hold ops of the net: the program and arms in it.
  bool IsOwnOp(ScopeId scope) const { return Index(scope) == 0 || Index(RegionOf(scope)) != 0; }
  RegionId RegionOf(ScopeId scope) const { return out_.region_of[Index(scope)]; }

  void AddRegions() {
    out_.net.regions.emplace_back();
    out_.branch_of.push_back(0);
    out_.region_of.assign(program_.scopes.size(), RegionId{});
    for (size_t i = 1; i < program_.scopes.size(); ++i) {
      const ProgramScope& scope = program_.scopes[i];
      const bool arm =
          scope.kind == ProgramScope::Kind::kThen || scope.kind == ProgramScope::Kind::kElse;
      if (!arm || !IsOwnOp(scope.parent)) continue;
      NetRegion region;
      region.name = program_.branches[scope.index].text;
      region.parent = RegionOf(scope.parent);
      region.arm = scope.kind == ProgramScope::Kind::kThen;
      out_.region_of[i] = RegionId(out_.net.regions.size());
      out_.net.regions.push_back(std::move(region));
      out_.branch_of.push_back(scope.index);
    }
  }

  NetValueId AddValue(DefId id) {
    const Def& def = program_.def(id);
    NetValue& value = out_.net.values.emplace_back();
    value.name = def.name;
    value.bytes = ByteSize(def.type);
    value.memory = out_.net.places[0].memory;
    out_.def_of.push_back(id);
    const NetValueId added = NetValueId(out_.net.values.size() - 1);
    out_.value_of[Index(id)] = added;
    return added;
  }

  void AddOp(EvalId id) {
    const Eval& eval = program_.eval(id);
    const NetOpId added = NetOpId(out_.net.ops.size());
    out_.op_of[Index(id)] = added;
    NetOp& op = out_.net.ops.emplace_back();
    op.name = NameOf(eval);
    op.region = RegionOf(eval.scope);
    op.merges = eval.kind == Eval::Kind::kMerge;
    op.ins.reserve(eval.ins.size());
    for (const DefId in : eval.ins) op.ins.push_back(*out_.value_of[Index(in)]);
    for (const DefId def : eval.outs) op.outs.push_back(AddValue(def));
    work::Evaluate evaluate{id};
    for (uint32_t place = 0; place < devices_.places.size(); ++place) {
      if (!CanRun(program_, eval, devices_, place)) continue;
      op.choices.push_back({PlaceId(place), costs_.Seconds(eval, place), 0});
    }
    if (eval.input || eval.output) {
      op.effect = eval.input ? NetEffect::kInput : NetEffect::kPrint;
      std::optional<NetOpId>& last = eval.input ? last_input_ : last_output_;
      if (last) out_.net.orders.push_back({*last, added, NetOrder::Kind::kEffect, 0});
      last = added;
      if (eval.input && eval.output) {
        if (last_output_) {
          out_.net.orders.push_back({*last_output_, added, NetOrder::Kind::kEffect, 0});
        }
        last_output_ = added;
      }
    }
    out_.work.emplace_back(std::move(evaluate));
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
  ProgramNet out_;
  std::optional<NetOpId> last_input_, last_output_;
};

}  // namespace

ProgramNet BuildProgramNet(const Program& program, const Devices& devices, const Costs& costs) {
  return NetBuilder(program, devices, costs).Build();
}

NetOpId ProgramNet::AddMark(PlaceId place, RegionId region, std::string name) {
  NetOp& op = net.ops.emplace_back();
  op.name = std::move(name);
  op.region = region;
  op.choices = {{place, 0, 0}};
  work.emplace_back(work::Mark{});
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddPrint(const Program& program, std::vector<DefId> defs, PlaceId place,
                             RegionId region) {
  NetOp& op = net.ops.emplace_back();
  op.region = region;
  op.choices = {{place, 0, 0}};
  op.effect = NetEffect::kPrint;
  op.name = "print(";
  for (size_t i = 0; i < defs.size(); ++i) {
    op.name += (i == 0 ? "" : ", ") + program.def(defs[i]).name;
    op.ins.push_back(*value_of[Index(defs[i])]);
  }
  op.name += ")";
  work.emplace_back(work::Print{std::move(defs)});
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddAgain(NetOpId id, NetChoice choice, RegionId region) {
  NetOp op = net.op(id);
  op.region = region;
  op.choices = {choice};
  for (NetValueId& out : op.outs) {
    net.values.push_back(net.value(out));
    def_of.push_back(def_of[Index(out)]);
    out = NetValueId(net.values.size() - 1);
  }
  net.ops.push_back(std::move(op));
  auto evaluate = std::get<work::Evaluate>(work[Index(id)]);
  evaluate.again = true;
  work.emplace_back(std::move(evaluate));
  return NetOpId(net.ops.size() - 1);
}

NetOpId ProgramNet::AddMove(NetValueId value, MemoryId to, PlaceId place, RegionId region,
                            double seconds) {
  NetValue moved = net.value(value);
  moved.memory = to;
  moved.wanted = false;
  NetOp& op = net.ops.emplace_back();
  op.name = "move " + moved.name;
  op.region = region;
  op.ins = {value};
  op.outs = {NetValueId(net.values.size())};
  op.choices = {{place, seconds, 0}};
  op.moved_bytes = moved.bytes;
  net.values.push_back(std::move(moved));
  def_of.push_back(def_of[Index(value)]);
  work.emplace_back(work::Move{def_of.back()});
  return NetOpId(net.ops.size() - 1);
}

bool CanRun(const Program& program, const Eval& eval, const Devices& devices, uint32_t place) {
  const Devices::Place& at = devices.places[place];
  if (!at.computes) return false;
  if ((eval.input || eval.output) && !at.effects) return false;
  if (at.branching == Devices::Branching::kNone && Index(eval.scope) != 0) return false;
  const auto has_kernel = [&](uint32_t index) {
    const std::vector<ProgramExtern::Kernel>& kernels = program.externs[index].kernels;
    return std::any_of(kernels.begin(), kernels.end(), [&](const ProgramExtern::Kernel& kernel) {
      return kernel.place == at.name || kernel.place == at.device;
    });
  };
  const auto can = [&](const ExprNode& node) {
    switch (node.kind) {
      case ExprNode::Kind::kExtern:
        return has_kernel(node.index);
      case ExprNode::Kind::kClass: {
        const std::vector<uint32_t>& all = program.classes[node.index].externs;
        return std::any_of(all.begin(), all.end(), has_kernel);
      }
      case ExprNode::Kind::kCall:  // shaders do not recurse
        return at.api == Devices::Api::kThread && at.branching == Devices::Branching::kFull;
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
