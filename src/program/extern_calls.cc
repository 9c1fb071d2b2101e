#include "program/extern_calls.h"

#include <algorithm>
#include <vector>

namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

class Walk {
 public:
  Walk(const Program& program, const VisitExternCall& visit)
      : program_(program), visit_(visit), seen_(program.functions.size()) {}

  // False: no further.
  bool Look(const Eval& eval) {
    for (const ExprNode& node : eval.code) {
      const bool calls = node.kind == Kind::kExtern || node.kind == Kind::kClass;
      if (calls && !visit_(eval, node)) return false;
      if (node.kind != Kind::kCall || seen_[node.index]) continue;
      seen_[node.index] = true;
      if (!LookInside(program_.functions[node.index].body)) return false;
    }
    if (eval.kind != Eval::Kind::kLoop) return true;
    const ProgramLoop& loop = program_.loops[eval.index];
    return (Index(loop.entry) == 0 || LookInside(loop.entry)) &&
           (loop.index || LookInside(loop.test)) && LookInside(loop.body);
  }

 private:
  // Loops in it are evals of their own.
  bool LookInside(ScopeId scope) {
    return std::all_of(program_.evals.begin(), program_.evals.end(),
                       [&](const Eval& eval) { return !IsArmOf(eval.scope, scope) || Look(eval); });
  }
  bool IsArmOf(ScopeId inner, ScopeId outer) const {
    while (inner != outer) {
      const ProgramScope& scope = program_.scope(inner);
      const bool arm =
          scope.kind == ProgramScope::Kind::kThen || scope.kind == ProgramScope::Kind::kElse;
      if (!arm) return false;
      inner = scope.parent;
    }
    return true;
  }

  const Program& program_;
  const VisitExternCall& visit_;
  std::vector<bool> seen_;  // functions
};

}  // namespace

const ProgramExtern::Kernel* KernelAt(const ProgramExtern& function, const Devices::Place& place) {
  const auto of = [&](const std::string& name) {
    return std::find_if(function.kernels.begin(), function.kernels.end(),
                        [&](const ProgramExtern::Kernel& kernel) { return kernel.place == name; });
  };
  auto kernel = of(place.name);
  if (kernel == function.kernels.end()) kernel = of(place.device);
  return kernel == function.kernels.end() ? nullptr : &*kernel;
}

std::optional<uint32_t> ExternAt(const Program& program, const ExprNode& node,
                                 const Devices::Place& place) {
  const auto has_kernel = [&](uint32_t index) {
    return KernelAt(program.externs[index], place) != nullptr;
  };
  if (node.kind == Kind::kExtern && has_kernel(node.index)) return node.index;
  if (node.kind != Kind::kClass) return std::nullopt;
  const std::vector<uint32_t>& all = program.classes[node.index].externs;
  const auto found = std::find_if(all.begin(), all.end(), has_kernel);
  return found == all.end() ? std::nullopt : std::optional(*found);
}

void EachExternCall(const Program& program, const Eval& eval, const VisitExternCall& visit) {
  Walk(program, visit).Look(eval);
}

}  // namespace tinyai
