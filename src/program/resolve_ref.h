#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lang/diagnostics.h"
#include "lang/name_index.h"
#include "lang/schedule.h"
#include "program/program_net.h"

namespace tinyai {

// What a name in a schedule stands for.
struct ResolvedRef {
  NetOps ops;  // in program order; several: a whole conditional
  const Ref* written = nullptr;
  // An arm's value, listed outside of its `if`: computed whichever arm is taken.
  std::optional<size_t> speculates = {};  // into the program's branches
};
struct ResolvedBranch {
  size_t branch = 0;  // into the program's
  RegionId then{}, otherwise{};
};

// Finds what the names of a schedule mean in a program. Each function gives nothing, and has
// reported why, where a name does not mean exactly one thing: A4, A5, I7.
class RefResolver {
 public:
  // All outlive this object; `net` is of the program, which is not added to.
  RefResolver(const Program& program, const ProgramNet& net, const SourceText& values,
              Diagnostics& out);

  // `region`: the arm in which the name stands.
  std::optional<ResolvedRef> Resolve(const Ref& ref, RegionId region);
  // The value that a name means there.
  std::optional<DefId> ResolveValue(const Ref& ref, RegionId region);
  std::optional<ResolvedBranch> ResolveBranch(const cmd::If& branch, RegionId region, Span where);
  bool IsValue(std::string_view name) { return DefOf(name).has_value(); }

 private:
  // The def of this name.
  std::optional<DefId> DefOf(std::string_view name);
  std::optional<DefId> Find(const Ref& ref, RegionId region);
  std::optional<DefId> FindArm(const Ref& ref, bool arm);
  // In the body of a loop, the name of what it carries: what that becomes.
  std::optional<DefId> FindCarried(std::string_view name) const;
  void ReportUnknown(const Ref& ref, const std::string& text);
  RegionId RegionOf(DefId def) const;
  std::optional<DefId> MergedIn(DefId def, RegionId region) const;
  void CollectMerged(DefId def, NetOps& ops) const;
  std::string ArmText(RegionId region) const;
  bool Mentions(const std::vector<Command>& commands, RegionId arm);

  const Program& program_;
  const ProgramNet& net_;
  const SourceText& values_;
  Diagnostics& out_;
  // Of defs that have ops of the net; made when the first name is looked for.
  NameIndex names_;
  std::vector<DefId> defs_;  // by number of the name
  // The value of the net behind the one named last: schedules mostly name what the program defines
  // next.
  size_t next_ = 0;
  std::unordered_map<size_t, std::vector<EvalId>> merges_of_;  // by def
};

// As references are written: "t[3]@join'"; DottedName with slice and qualifier.
std::string RefText(const Ref& ref);
Ref RefFromName(const std::string& name);
// The same into a new reference: those of schedules, by the million.
void RefFromName(const std::string& name, Ref& out);

}  // namespace tinyai
