#include "program/speculate.h"

#include <algorithm>
#include <optional>

namespace tinyai {
namespace {

// The arm of the branch that a region is, or is somewhere in.
std::optional<RegionId> ArmAround(const ProgramNet& net, RegionId region, size_t branch) {
  for (; Index(region) != 0; region = net.net.regions[Index(region)].parent) {
    if (net.branch_of[Index(region)] == branch) return region;
  }
  return std::nullopt;
}

bool OnlyComputes(const Eval& eval) {
  const bool computes = eval.kind == Eval::Kind::kCompute || eval.kind == Eval::Kind::kMerge;
  return computes && !eval.input && !eval.output && eval.outs.size() == 1 && !MayTrap(eval) &&
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
  bool some = false;
  for (size_t i = 0; i < net.net.ops.size(); ++i) {
    if (!ArmAround(net, net.net.ops[i].region, branch)) continue;
    const auto* evaluate = std::get_if<work::Evaluate>(&net.work[i]);
    const bool computes =
        evaluate != nullptr && !evaluate->again && OnlyComputes(program.eval(evaluate->eval));
    if (!computes) return false;
    some = true;
  }
  return some;
}

void Speculate(size_t branch, ProgramNet& net) {
  for (NetOp& op : net.net.ops) {
    const std::optional<RegionId> arm = ArmAround(net, op.region, branch);
    if (arm) op.region = net.net.regions[Index(*arm)].parent;
  }
}

}  // namespace tinyai
