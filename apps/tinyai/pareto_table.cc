#include "pareto_table.h"

#include <algorithm>
#include <vector>

#include "fmt/format.h"
#include "fmt/ranges.h"
#include "lang/print_schedule.h"

namespace tinyai {
namespace {

using Cells = std::vector<std::string>;

Cells HeadCells(const CompiledProgram& compiled) {
  Cells out = {"syncs", "fences", "bytes", "recomputed", "makespan"};
  for (const NetMemory& memory : compiled.net.memories) {
    out.push_back(fmt::format("peak({})", memory.name));
  }
  return out;
}

Cells RowCells(const PlanFigures& figures) {
  const auto number = [](double value) { return fmt::format("{:.4g}", value); };
  Cells out = {number(figures.syncs), number(figures.fences),
               fmt::format("{:.0f}", figures.moved_bytes), number(figures.recomputed),
               fmt::format("{:.4g} us", figures.makespan * 1e6)};
  for (const double peak : figures.peaks) out.push_back(fmt::format("{:.0f}", peak));
  return out;
}

}  // namespace

std::string ParetoTable(const CompiledProgram& compiled) {
  std::vector<Cells> rows = {HeadCells(compiled)};
  for (const Alternative& one : compiled.alternatives) rows.push_back(RowCells(one.figures));
  std::string out;
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t i = 0; i < rows[row].size(); ++i) {
      size_t width = 0;
      for (const Cells& other : rows) width = std::max(width, other[i].size());
      out += fmt::format("{:>{}}  ", rows[row][i], width);
    }
    out += row == 0 ? "picked by"
                    : fmt::format("{}", fmt::join(compiled.alternatives[row - 1].picked_by, ", "));
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

Json ParetoToJson(const CompiledProgram& compiled) {
  Json out = Json::array();
  for (const Alternative& one : compiled.alternatives) {
    Json& row = out.emplace_back();
    row["syncs"] = one.figures.syncs;
    row["fences"] = one.figures.fences;
    row["bytes_moved"] = one.figures.moved_bytes;
    row["recomputed"] = one.figures.recomputed;
    row["makespan_seconds"] = one.figures.makespan;
    row["peak"] = Json::object();
    for (size_t i = 0; i < one.figures.peaks.size(); ++i) {
      row["peak"][compiled.net.memories[i].name] = one.figures.peaks[i];
    }
    row["picked_by"] = one.picked_by;
    row["schedule"] = PrintSchedule(one.schedule);
  }
  return out;
}

}  // namespace tinyai
