#include "solve/task_graph.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

#include "fmt/format.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostTime = uint64_t{1} << 62;

using Edge = MakespanProblem::Edge;

tl::unexpected<Error> Bad(std::string what) {
  return Fail(ErrorCode::kBadFile, "BAD_PROBLEM", std::move(what));
}

TaskLists ListsOf(size_t count, std::span<const Edge> edges, uint32_t Edge::*from,
                  uint32_t Edge::*to) {
  TaskLists lists;
  lists.begin.assign(count + 1, 0);
  for (const Edge& edge : edges) ++lists.begin[edge.*from + 1];
  for (size_t i = 0; i < count; ++i) lists.begin[i + 1] += lists.begin[i];
  std::vector<uint32_t> next(lists.begin.begin(), lists.begin.end() - 1);
  lists.tasks.resize(edges.size());
  for (const Edge& edge : edges) lists.tasks[next[edge.*from]++] = edge.*to;
  return lists;
}

Status CheckNumbers(const MakespanProblem& problem) {
  if (problem.processors == 0) return Bad("there are no processors");
  if (problem.times.size() >= UINT32_MAX || problem.edges.size() >= UINT32_MAX) {
    return Bad("more than 2^32 tasks or precedences");
  }
  uint64_t sum = 0;
  for (size_t task = 0; task < problem.times.size(); ++task) {
    if (problem.times[task] >= kMostTime - sum) {
      return Bad(fmt::format("task {}: the times add up to 2^62 or more", task));
    }
    sum += problem.times[task];
  }
  for (const Edge& edge : problem.edges) {
    const uint32_t most = std::max(edge.before, edge.after);
    if (most < problem.times.size()) continue;
    return Bad(
        fmt::format("there is no task {}, there are {}, from 0", most, problem.times.size()));
  }
  return {};
}

// What cannot be ordered lies on a cycle or behind one; going back along what is left ends in it.
uint32_t TaskOfCycle(const TaskGraph& graph, const std::vector<uint32_t>& missing) {
  uint32_t task = 0;
  while (missing[task] == 0) ++task;
  for (uint32_t steps = 0; steps < graph.size(); ++steps) {
    const std::span<const uint32_t> before = graph.before[task];
    task = *std::find_if(before.begin(), before.end(),
                         [&](uint32_t earlier) { return missing[earlier] != 0; });
  }
  return task;
}

Status FindOrder(TaskGraph& graph) {
  std::vector<uint32_t> missing(graph.size());
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t task = 0; task < graph.size(); ++task) {
    missing[task] = static_cast<uint32_t>(graph.before[task].size());
    if (missing[task] == 0) ready.push(task);
  }
  graph.order.reserve(graph.size());
  while (!ready.empty()) {
    graph.order.push_back(ready.top());
    ready.pop();
    for (const uint32_t next : graph.after[graph.order.back()]) {
      if (--missing[next] == 0) ready.push(next);
    }
  }
  if (graph.order.size() == graph.size()) return {};
  return Bad(fmt::format("task {} comes before itself: its precedences make a cycle",
                         TaskOfCycle(graph, missing)));
}

void FindPaths(TaskGraph& graph) {
  graph.heads.assign(graph.size(), 0);
  graph.tails.assign(graph.size(), 0);
  for (const uint32_t task : graph.order) {
    for (const uint32_t next : graph.after[task]) {
      graph.heads[next] = std::max(graph.heads[next], graph.heads[task] + graph.times[task]);
    }
  }
  for (auto task = graph.order.rbegin(); task != graph.order.rend(); ++task) {
    for (const uint32_t next : graph.after[*task]) {
      graph.tails[*task] = std::max(graph.tails[*task], graph.tails[next] + graph.times[next]);
    }
  }
}

class BitRows {
 public:
  BitRows(size_t rows, size_t count) : words_((count + 63) / 64), bits_(rows * words_) {}
  bool Has(size_t row, size_t bit) const {
    return (bits_[row * words_ + bit / 64] >> (bit % 64) & 1) != 0;
  }
  void Set(size_t row, size_t bit) { bits_[row * words_ + bit / 64] |= uint64_t{1} << (bit % 64); }
  void Join(size_t row, size_t from) { Join(row, *this, from); }
  void Join(size_t row, const BitRows& other, size_t from) {
    for (size_t w = 0; w < words_; ++w) bits_[row * words_ + w] |= other.bits_[from * words_ + w];
  }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

}  // namespace

Result<TaskGraph> MakeTaskGraph(const MakespanProblem& problem) {
  TRY(CheckNumbers(problem));
  TaskGraph graph;
  const size_t count = problem.times.size();
  graph.processors = std::min(problem.processors, std::max(1u, static_cast<uint32_t>(count)));
  graph.times.assign(problem.times.begin(), problem.times.end());
  const int64_t divisor = std::accumulate(graph.times.begin(), graph.times.end(), int64_t{0},
                                          std::gcd<int64_t, int64_t>);
  graph.unit = std::max<int64_t>(1, divisor);
  for (int64_t& time : graph.times) time /= graph.unit;
  graph.before = ListsOf(count, problem.edges, &Edge::after, &Edge::before);
  graph.after = ListsOf(count, problem.edges, &Edge::before, &Edge::after);
  TRY(FindOrder(graph));
  FindPaths(graph);
  return graph;
}

TaskGraph Reversed(const TaskGraph& graph) {
  TaskGraph out = graph;
  std::swap(out.before, out.after);
  std::swap(out.heads, out.tails);
  std::reverse(out.order.begin(), out.order.end());
  return out;
}

TaskGraph Condensed(const TaskGraph& graph, std::vector<uint32_t>* kept) {
  const uint32_t count = graph.size();
  kept->clear();
  std::vector<uint32_t> number(count, UINT32_MAX);
  for (uint32_t task = 0; task < count; ++task) {
    if (graph.times[task] == 0) continue;
    number[task] = static_cast<uint32_t>(kept->size());
    kept->push_back(task);
  }
  // Per task, which kept ones come before it. The nearest come last in the order, and what comes
  // before one of them is no edge of its own.
  const uint32_t size = static_cast<uint32_t>(kept->size());
  BitRows earlier(count, count);
  std::vector<Edge> edges;
  for (uint32_t place = 0; place < count; ++place) {
    const uint32_t task = graph.order[place];
    for (const uint32_t before : graph.before[task]) {
      earlier.Join(task, before);
      if (graph.times[before] > 0) earlier.Set(task, before);
    }
    if (graph.times[task] == 0) continue;
    BitRows follows(1, count);  // the tasks before those that have an edge
    for (uint32_t i = place; i-- > 0;) {
      const uint32_t before = graph.order[i];
      if (graph.times[before] == 0 || !earlier.Has(task, before) || follows.Has(0, before))
        continue;
      edges.push_back({number[before], number[task]});
      follows.Join(0, earlier, before);
    }
  }
  TaskGraph out;
  out.processors = std::min(graph.processors, std::max(size, 1u));
  out.unit = graph.unit;
  for (const uint32_t task : *kept) {
    out.times.push_back(graph.times[task]);
    out.heads.push_back(graph.heads[task]);
    out.tails.push_back(graph.tails[task]);
  }
  for (const uint32_t task : graph.order) {
    if (graph.times[task] > 0) out.order.push_back(number[task]);
  }
  out.before = ListsOf(size, edges, &Edge::after, &Edge::before);
  out.after = ListsOf(size, edges, &Edge::before, &Edge::after);
  return out;
}

}  // namespace tinyai
