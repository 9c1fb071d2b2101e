#pragma once

#include <vector>

#include "program/find_way.h"

namespace tinyai {

// Of ways to carry a program out those that no other one is better than or equal to in all terms.
class ParetoFront {
 public:
  // `task` outlives this object.
  explicit ParetoFront(const PlanTask& task) : task_(task) {}

  // Adds what it is shown. This object outlives it.
  WayVisitor Visitor();
  // With the objectives that pick each: every term alone, and that of the task. Fewest syncs first.
  std::vector<Alternative> Rows() const;

 private:
  void Offer(const ProgramNet& net, const Wishes& wishes, const PlannedNet& planned);

  const PlanTask& task_;
  struct Row {
    PlanFigures figures;
    Schedule schedule;
  };
  std::vector<Row> rows_;
};

}  // namespace tinyai
