#pragma once

#include <string>

#include "program/compiled_program.h"
#include "view/net_view.h"

namespace tinyai {

// A compiled program as everything that shows a plan wants it.
class ProgramView {
 public:
  // `compiled` outlives this object.
  ProgramView(const CompiledProgram& compiled, std::string title);
  ProgramView(const ProgramView&) = delete;

  const NetView& view() const { return view_; }

 private:
  PlannedNet planned_;
  NetView view_;
};

}  // namespace tinyai
