#include "program/speculate.h"

#include <algorithm>
#include <map>
#include <string>

namespace tinyai {
namespace {

bool IsOf(const ProgramNet& net, RegionId region, size_t branch) {
  return Index(region) != 0 && net.branch_of[Index(region)] == branch;
}

std::string BaseName(const std::string& name) { return name.substr(0, name.find('\'')); }

bool OnlyComputes(const Eval& eval) {
  return eval.kind == Eval::Kind::kCompute && !eval.input && !eval.output &&
         eval.outs.size() == 1 && !MayTrap(eval) &&
         std::none_of(eval.code.begin(), eval.code.end(), [](const ExprNode& node) {
           return node.kind == ExprNode::Kind::kCall;  // which may divide, or not come back
         });
}

}  // namespace

bool MayTrap(const Eval& eval) {
  using Kind = ExprNode::Kind;
  for (const ExprNode& node : eval.code) {
    if (node.kind != Kind::kDivide && node.kind != Kind::kModulo) continue;
    if (node.type.scalar != Scalar::kI32 && node.type.scalar != Scalar::kI64) continue;
    const ExprNode& divisor = eval.code[node.args[1]];
    if (divisor.kind != Kind::kConstant || divisor.integer == 0) return true;
  }
  return false;
}

bool CanSpeculate(const Program& program, const ProgramNet& net, size_t branch) {
  for (size_t i = 1; i < net.net.regions.size(); ++i) {
    if (IsOf(net, net.net.regions[i].parent, branch)) return false;
  }
  std::map<std::pair<bool, std::string>, size_t> names;
  size_t own = 0;
  for (size_t i = 0; i < net.net.ops.size(); ++i) {
    const RegionId region = net.net.ops[i].region;
    if (Index(region) == 0) continue;
    const auto* evaluate = std::get_if<work::Evaluate>(&net.work[i]);
    const bool here = IsOf(net, region, branch);
    if (here &&
        (evaluate == nullptr || evaluate->again || !OnlyComputes(program.eval(evaluate->eval)))) {
      return false;
    }
    own += here ? 1 : 0;
  }
  // By scope, since other branches may be speculated too.
  const auto each_arm = [&](auto visit) {
    for (const Eval& eval : program.evals) {
      const RegionId region = net.region_of[Index(eval.scope)];
      if (Index(region) == 0) continue;
      for (const DefId out : eval.outs) {
        visit(region, program.def(out),
              std::pair(net.net.regions[Index(region)].arm, BaseName(program.def(out).name)));
      }
    }
  };
  each_arm([&](RegionId, const Def&, const auto& name) { ++names[name]; });
  bool good = own != 0;
  each_arm([&](RegionId region, const Def& def, const auto& name) {
    if (IsOf(net, region, branch)) good = good && !def.implied && names[name] == 1;
  });
  return good;
}

void Speculate(size_t branch, ProgramNet& net) {
  for (NetOp& op : net.net.ops) {
    if (IsOf(net, op.region, branch)) op.region = net.net.regions[Index(op.region)].parent;
  }
}

bool IsSpeculated(const Program& program, const ProgramNet& net, NetOpId op) {
  const auto* evaluate = std::get_if<work::Evaluate>(&net.work[Index(op)]);
  return evaluate != nullptr && !evaluate->again &&
         net.region_of[Index(program.eval(evaluate->eval).scope)] != net.net.op(op).region;
}

}  // namespace tinyai
