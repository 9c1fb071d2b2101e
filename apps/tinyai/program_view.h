#pragma once

#include <deque>
#include <span>
#include <string>

#include "program/compiled_program.h"
#include "view/net_view.h"

namespace tinyai {

// A compiled program as everything that shows a plan wants it.
class ProgramView {
 public:
  // `compiled` outlives this object.
  ProgramView(const CompiledProgram& compiled, const std::string& title);
  ProgramView(const ProgramView&) = delete;

  const NetView& view() const { return view_; }

 private:
  // Bodies of loops too; `loops`: figures of those in it and of what comes behind.
  NetView ViewOf(const CompiledProgram& compiled, const std::string& title,
                 std::span<const Certificate::LoopFigures>& loops);
  NetLoop LoopOf(const CompiledProgram& around, uint32_t body, const std::string& title,
                 std::span<const Certificate::LoopFigures>& loops);

  std::deque<PlannedNet> planned_;  // of each
  NetView view_;
};

}  // namespace tinyai
