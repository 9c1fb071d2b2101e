#include "solve/makespan_bound.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

int64_t CeilShare(int64_t work, uint32_t processors) {
  return work / processors + (work % processors != 0);
}

std::vector<uint32_t> TasksByFalling(const std::vector<int64_t>& values) {
  std::vector<uint32_t> tasks(values.size());
  std::iota(tasks.begin(), tasks.end(), 0u);
  std::stable_sort(tasks.begin(), tasks.end(),
                   [&](uint32_t a, uint32_t b) { return values[a] > values[b]; });
  return tasks;
}

// The work of the tasks with the highest heads (tails) begins no earlier (is followed by no less)
// than the lowest of them.
int64_t BoundOneSided(const TaskGraph& graph, const std::vector<int64_t>& sides) {
  int64_t work = 0, best = 0;
  for (const uint32_t task : TasksByFalling(sides)) {
    work += graph.times[task];
    if (graph.times[task] > 0) {
      best = std::max(best, sides[task] + CeilShare(work, graph.processors));
    }
  }
  return best;
}

struct Inner {
  int64_t head, time, tail;
};

// Max over a, b of a + (work with head >= a and tail >= b) / processors + b. `tasks` lie in order
// of falling tails.
int64_t BoundTwoSided(const std::vector<Inner>& tasks, uint32_t processors,
                      std::vector<int64_t>& heads) {
  heads.clear();
  for (const Inner& task : tasks) heads.push_back(task.head);
  std::sort(heads.begin(), heads.end());
  heads.erase(std::unique(heads.begin(), heads.end()), heads.end());
  int64_t best = 0;
  for (const int64_t head : heads) {
    int64_t work = 0;
    for (const Inner& task : tasks) {
      if (task.head < head) continue;
      work += task.time;
      best = std::max(best, head + CeilShare(work, processors) + task.tail);
    }
  }
  return best;
}

// `distance[i]`: the longest path from the end of `task` to the start of i, -1 where there is none.
void FindDistances(const TaskGraph& graph, uint32_t task, std::vector<int64_t>& distance) {
  distance.assign(graph.size(), -1);
  for (const uint32_t next : graph.after[task]) distance[next] = 0;
  for (const uint32_t from : graph.order) {
    if (distance[from] < 0) continue;
    for (const uint32_t next : graph.after[from]) {
      distance[next] = std::max(distance[next], distance[from] + graph.times[from]);
    }
  }
}

void RaiseTails(TaskGraph& graph) {
  std::vector<int64_t> distance, heads;
  std::vector<Inner> inner;
  for (auto at = graph.order.rbegin(); at != graph.order.rend(); ++at) {
    const uint32_t task = *at;
    for (const uint32_t next : graph.after[task]) {
      graph.tails[task] = std::max(graph.tails[task], graph.tails[next] + graph.times[next]);
    }
    FindDistances(graph, task, distance);
    inner.clear();
    for (uint32_t i = 0; i < graph.size(); ++i) {
      if (distance[i] >= 0) inner.push_back({distance[i], graph.times[i], graph.tails[i]});
    }
    std::stable_sort(inner.begin(), inner.end(),
                     [](const Inner& a, const Inner& b) { return a.tail > b.tail; });
    graph.tails[task] = std::max(graph.tails[task], BoundTwoSided(inner, graph.processors, heads));
  }
}

// Whether some interval of a schedule of length `target` has to hold more than it can. Between
// [begin, end) a task has to spend the least of: its time, what remains when it starts at its head,
// what remains when it ends at its tail, the interval.
bool Refutes(const TaskGraph& graph, int64_t target) {
  std::vector<int64_t> begins, ends;
  for (uint32_t task = 0; task < graph.size(); ++task) {
    const int64_t first = graph.heads[task], last = target - graph.tails[task];
    const int64_t time = graph.times[task];
    if (first + time > last) return true;
    begins.insert(begins.end(), {first, last - time, first + time});
    ends.insert(ends.end(), {last, first + time, last - time});
  }
  for (std::vector<int64_t>* points : {&begins, &ends}) {
    std::sort(points->begin(), points->end());
    points->erase(std::unique(points->begin(), points->end()), points->end());
  }
  for (const int64_t begin : begins) {
    for (const int64_t end : ends) {
      if (end <= begin) continue;
      const int64_t length = end - begin;
      if (length > INT64_MAX / graph.processors) continue;
      const int64_t room = graph.processors * length;
      int64_t work = 0;
      for (uint32_t task = 0; task < graph.size(); ++task) {
        const int64_t left = graph.heads[task] + graph.times[task] - begin;
        const int64_t right = end - (target - graph.tails[task] - graph.times[task]);
        work += std::max<int64_t>(0, std::min({left, right, graph.times[task], length}));
      }
      if (work > room) return true;
    }
  }
  return false;
}

}  // namespace

int64_t QuickBound(const TaskGraph& graph) {
  int64_t best = std::max(BoundOneSided(graph, graph.heads), BoundOneSided(graph, graph.tails));
  for (uint32_t task = 0; task < graph.size(); ++task) {
    best = std::max(best, graph.heads[task] + graph.times[task] + graph.tails[task]);
  }
  return best;
}

void RaiseHeadsAndTails(TaskGraph& graph) {
  RaiseTails(graph);
  TaskGraph reversed = Reversed(graph);
  RaiseTails(reversed);
  graph.heads = std::move(reversed.tails);
}

int64_t IntervalBound(const TaskGraph& graph, int64_t most) {
  int64_t least = std::min(QuickBound(graph), most);
  while (least < most) {
    const int64_t middle = least + (most - least) / 2;
    if (Refutes(graph, middle)) {
      least = middle + 1;
    } else {
      most = middle;
    }
  }
  return least;
}

}  // namespace tinyai
