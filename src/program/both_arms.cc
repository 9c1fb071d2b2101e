#include "program/both_arms.h"

#include <algorithm>

#include "program/resolve_ref.h"

namespace tinyai {
namespace {

bool IsArm(const ProgramScope& scope) {
  return scope.kind == ProgramScope::Kind::kThen || scope.kind == ProgramScope::Kind::kElse;
}
bool IsThen(const ProgramScope& scope) { return scope.kind == ProgramScope::Kind::kThen; }

std::string BaseName(const std::string& name) { return name.substr(0, name.find('\'')); }

}  // namespace

BothArms::BothArms(const CompiledProgram& compiled, const std::vector<uint32_t>& branch_of)
    : compiled_(compiled) {
  if (compiled.program.branches.empty()) return;
  for (size_t i = 0; i < compiled.net.ops.size(); ++i) {
    const auto* evaluate = std::get_if<work::Evaluate>(&compiled.work[i]);
    if (evaluate == nullptr) continue;
    const ProgramScope& scope = compiled.program.scope(compiled.program.eval(evaluate->eval).scope);
    const size_t region = Index(compiled.net.ops[i].region);
    if (IsArm(scope) && (region == 0 || branch_of[region] != scope.index)) {
      branches_.insert(scope.index);
    }
  }
  if (branches_.empty()) return;
  for (const size_t branch : branches_) {
    conditions_.insert(compiled.program.branches[branch].condition);
  }
  for (const Def& def : compiled.program.defs) {
    const ProgramScope& scope = compiled.program.scope(compiled.program.eval(def.maker).scope);
    if (IsArm(scope)) ++names_[{IsThen(scope), BaseName(def.name)}];
  }
}

const ProgramScope& BothArms::ScopeOf(DefId def) const {
  return compiled_.program.scope(compiled_.program.eval(compiled_.program.def(def).maker).scope);
}

bool BothArms::Holds(DefId def) const {
  if (branches_.empty()) return false;
  const ProgramScope& scope = ScopeOf(def);
  return IsArm(scope) && branches_.contains(scope.index);
}

Ref BothArms::RefOf(DefId id) const {
  const Def& def = compiled_.program.def(id);
  if (compiled_.program.eval(def.maker).kind == Eval::Kind::kMerge) return RefFromName(def.name);
  const bool then = IsThen(ScopeOf(id));
  const std::string base = BaseName(def.name);
  Ref out = RefFromName(names_.at({then, base}) == 1 ? base : def.name);
  out.qualifier = then ? "then" : "else";
  return out;
}

}  // namespace tinyai
