#include "plan/step_names.h"

#include <algorithm>
#include <map>
#include <utility>

#include "fmt/format.h"

namespace tinyai {
namespace {

// Rows of a weight where a step of the CPU queue finds them. What lies in the arena is told by the
// distance from the file: a load brings exactly the rows that lie in its bytes at its distance.
struct Rows {
  uint64_t file_begin, file_end;
  WeightId weight;
  uint64_t row_begin, row_end;
};
using Place = std::pair<uint32_t, uint64_t>;  // part; file offset - arena offset

class Namer {
 public:
  Namer(const Graph& graph, const Plan& plan) : graph_(graph), plan_(plan) {
    for (const PlanQueue& queue : plan.queues) {
      for (const Step& step : queue.steps) {
        const auto* run = std::get_if<step::Run>(&step.work);
        if (run != nullptr && run->row_end != 0) AddRows(*run);
      }
    }
    for (auto& [place, list] : rows_) {
      std::sort(list.begin(), list.end(),
                [](const Rows& a, const Rows& b) { return a.file_begin < b.file_begin; });
    }
  }

  std::vector<std::vector<std::string>> Names() const {
    std::vector<std::vector<std::string>> out;
    for (const PlanQueue& queue : plan_.queues) {
      std::vector<std::string>& names = out.emplace_back();
      names.reserve(queue.steps.size());
      for (const Step& step : queue.steps) {
        names.push_back(std::visit([this](const auto& work) { return Name(work); }, step.work));
      }
    }
    return out;
  }

 private:
  const Weight& Matrix(const step::Run& run) const {
    return graph_.weight(graph_.ops[Index(run.op)].weights[0]);
  }

  void AddRows(const step::Run& run) {
    const Weight& weight = Matrix(run);
    const uint64_t begin = weight.offset + run.row_begin * weight.row_bytes();
    const uint64_t end = weight.offset + run.row_end * weight.row_bytes();
    rows_[{weight.part, begin - run.weights_offset}].push_back(
        {begin, end, graph_.ops[Index(run.op)].weights[0], run.row_begin, run.row_end});
  }

  std::string Name(const step::Run& run) const {
    const Op& op = graph_.ops[Index(run.op)];
    if (run.row_end == 0 || run.row_end - run.row_begin == Matrix(run).rows) return op.name;
    return fmt::format("{}[{}..{}]", op.name, run.row_begin, run.row_end);
  }
  std::string Name(const step::Move& move) const {
    return fmt::format("move {} -> {}", graph_.value(move.value).name,
                       move.to_device ? plan_.device->memory.name : plan_.memory.name);
  }
  std::string Name(const step::LoadRows&) const { return "load embedding rows"; }
  std::string Name(const step::Transfer& move) const { return graph_.ops[Index(move.op)].name; }
  std::string Name(const step::Load& load) const {
    const uint64_t end = load.file_offset + load.bytes;
    const auto list = rows_.find({load.part, load.file_offset - load.arena_offset});
    if (!load.once && list != rows_.end()) {
      const auto rows =
          std::lower_bound(list->second.begin(), list->second.end(), load.file_offset,
                           [](const Rows& a, uint64_t offset) { return a.file_begin < offset; });
      if (rows != list->second.end() && rows->file_end <= end) {
        return fmt::format("load {}[{}..{}]", graph_.weight(rows->weight).name, rows->row_begin,
                           rows->row_end);
      }
    }
    return fmt::format("load part{}[{}..{}]", load.part, load.file_offset, end);
  }

  const Graph& graph_;
  const Plan& plan_;
  std::map<Place, std::vector<Rows>> rows_;
};

}  // namespace

std::vector<std::vector<std::string>> StepNames(const Graph& graph, const Plan& plan) {
  return Namer(graph, plan).Names();
}

}  // namespace tinyai
