#include "program/plan_program.h"

#include <optional>
#include <utility>

#include "program/explore_ways.h"
#include "program/pareto_front.h"

namespace tinyai {

Result<bool> PlanProgram(const PlanTask& task, ProgramNet net, Wishes& wishes, Diagnostics& out,
                         CompiledProgram& compiled) {
  std::optional<WayExplorer> explorer;
  Way way;
  if (task.explores) explorer.emplace(task, net, wishes, out.source());
  way.net = std::move(net);
  way.wishes = std::move(wishes);
  std::optional<ParetoFront> front;
  WayVisitor visit;
  if (task.pareto) {
    front.emplace(task);
    visit = front->Visitor();
  }
  TRY_ASSIGN(const bool found, FindWay(task, visit, way, out));
  if (found && explorer) explorer->Run(visit, way);
  wishes = std::move(way.wishes);
  if (!found) return false;
  compiled.figures = std::move(way.figures);
  if (front) compiled.alternatives = front->Rows();
  Adopt(std::move(way.planned), std::move(way.net), wishes, compiled);
  compiled.origins.reserve(compiled.net.ops.size());
  for (size_t i = 0; i < compiled.net.ops.size(); ++i) {
    const auto line = wishes.line_of[i];
    compiled.origins.push_back(line ? wishes.lines[*line].where : Span{});
  }
  return true;
}

}  // namespace tinyai
