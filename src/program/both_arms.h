#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lang/schedule.h"
#include "program/compiled_program.h"

namespace tinyai {

// The branches of a compiled program of which both arms are computed, and what a schedule calls the
// values in these.
class BothArms {
 public:
  // `compiled` outlives this object. `branch_of`: by region of its net.
  BothArms(const CompiledProgram& compiled, const std::vector<uint32_t>& branch_of);

  bool Has(size_t branch) const { return branches_.contains(branch); }
  // Whether a value is the condition of one.
  bool DecidesOne(DefId def) const { return conditions_.contains(def); }
  // Whether a value stands in an arm of one.
  bool Holds(DefId def) const;
  // How to name a value that does: z@then, or z''@then where that could be several; what inner arms
  // were merged to has a name already.
  Ref RefOf(DefId def) const;

 private:
  const ProgramScope& ScopeOf(DefId def) const;

  const CompiledProgram& compiled_;
  std::set<size_t> branches_;
  std::set<DefId> conditions_;
  std::map<std::pair<bool, std::string>, size_t> names_;  // of values in then- and else-arms
};

}  // namespace tinyai
