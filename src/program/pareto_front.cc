#include "program/pareto_front.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "program/read_objective.h"

namespace tinyai {
namespace {

using Term = NetObjective::Term;

std::vector<double> Terms(const PlanFigures& figures) {
  std::vector<double> out = {figures.syncs, figures.fences, figures.moved_bytes, figures.recomputed,
                             figures.makespan};
  out.insert(out.end(), figures.peaks.begin(), figures.peaks.end());
  return out;
}

// At most as much of everything; rounding does not count.
bool Covers(const PlanFigures& a, const PlanFigures& b) {
  const std::vector<double> x = Terms(a), y = Terms(b);
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] > y[i] + 1e-9 * std::abs(y[i])) return false;
  }
  return true;
}

struct Picker {
  std::string name;
  NetObjective objective;
};

std::vector<Picker> Pickers(const PlanTask& task) {
  std::vector<Picker> out = {{"syncs", {{Term::kSyncs}}},
                             {"fences", {{Term::kFences}}},
                             {"bytes", {{Term::kMovedBytes}}},
                             {"recomputed", {{Term::kRecomputed}}},
                             {"makespan", {{Term::kMakespan}}}};
  for (size_t i = 0; i < task.devices.memories.size(); ++i) {
    out.push_back({"peak(" + task.devices.memories[i].name + ")",
                   {{NetObjective::Sum({{Term::kPeak, 1, MemoryId(i)}})}}});
  }
  for (Picker& picker : out) CompleteObjective(picker.objective);
  const bool other = std::none_of(out.begin(), out.end(), [&](const Picker& picker) {
    return picker.name == task.objective_text;
  });
  if (other && !task.objective_text.empty()) out.push_back({task.objective_text, task.objective});
  return out;
}

}  // namespace

WayVisitor ParetoFront::Visitor() {
  return [this](const ProgramNet& net, const Wishes& wishes, const PlannedNet& planned) {
    Offer(net, wishes, planned);
  };
}

void ParetoFront::Offer(const ProgramNet& net, const Wishes& wishes, const PlannedNet& planned) {
  PlanFigures figures = FiguresOf(task_, net, planned);
  const bool covered = std::any_of(rows_.begin(), rows_.end(),
                                   [&](const Row& row) { return Covers(row.figures, figures); });
  if (covered) return;
  std::optional<Schedule> schedule = Written(task_, {net, wishes, planned, {}});
  if (!schedule) return;
  std::erase_if(rows_, [&](const Row& row) { return Covers(figures, row.figures); });
  rows_.push_back({std::move(figures), std::move(*schedule)});
}

std::vector<Alternative> ParetoFront::Rows() const {
  std::vector<Row> rows = rows_;
  NetObjective usual;
  CompleteObjective(usual);
  std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
    return IsBetter(a.figures, b.figures, usual);
  });
  std::vector<Alternative> out;
  for (Row& row : rows) out.push_back({std::move(row.figures), {}, std::move(row.schedule)});
  for (const Picker& picker : Pickers(task_)) {
    const auto best =
        std::min_element(out.begin(), out.end(), [&](const Alternative& a, const Alternative& b) {
          return IsBetter(a.figures, b.figures, picker.objective);
        });
    if (best != out.end()) best->picked_by.push_back(picker.name);
  }
  return out;
}

}  // namespace tinyai
