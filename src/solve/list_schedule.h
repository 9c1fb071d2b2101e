#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "solve/task_graph.h"

namespace tinyai {

// Makes schedules from priorities. Holds what it needs between calls, so that a call allocates
// nothing. A schedule is the start of each task: no more than `processors` of them (those of time 0
// not counted) run at any time, so processors can be given out afterwards.
class ListScheduler {
 public:
  explicit ListScheduler(const TaskGraph& graph);  // outlives this object

  // No processor is idle while a task is ready (Graham): of the ready ones that of the lowest key
  // goes first, then that of the lowest number. O((n + e) log n). Returns the makespan.
  int64_t Greedy(std::span<const int64_t> keys, std::vector<int64_t>& start);

  // Task by task, of those whose predecessors are placed that of the lowest key, each as early as
  // the others leave room for it: then no task can start earlier while the others stay. Some best
  // schedule is of this kind. O(n^2) at worst.
  int64_t Insert(std::span<const int64_t> keys, std::vector<int64_t>& start);

 private:
  struct Entry {
    int64_t key;
    uint32_t task;
    friend auto operator<=>(const Entry&, const Entry&) = default;
  };
  struct Point {  // from `time` on, to the next point
    int64_t time;
    uint32_t used;
  };

  void Reset(std::vector<int64_t>& start);
  void PushReady(uint32_t task, std::span<const int64_t> keys);
  uint32_t PopReady();
  void Release(uint32_t task, int64_t end, std::span<const int64_t> keys,
               std::vector<int64_t>& start);
  int64_t Reserve(int64_t earliest, int64_t time);
  size_t Split(size_t point, int64_t time);

  const TaskGraph& graph_;
  std::vector<uint32_t> missing_;
  std::vector<Entry> ready_, running_;  // heaps, the least first
  std::vector<Point> profile_;
};

}  // namespace tinyai
