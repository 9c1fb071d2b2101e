#pragma once

#include <cstdint>
#include <vector>

#include "solve/list_schedule.h"
#include "solve/search_limits.h"
#include "solve/task_graph.h"

namespace tinyai {

// Schedules by list scheduling and by going forwards and backwards over them.
class MakespanImprover {
 public:
  explicit MakespanImprover(const TaskGraph& graph);  // outlives this object

  // The best of list schedules by: highest level first (longest path to the end); least slack; most
  // work behind; longest tail; order of the numbers. Each is followed by `rounds` passes backwards
  // (tasks by falling end, as late as possible) and forwards (by rising start): Li and Willis 1992.
  void ListSchedules(int rounds, const SearchLimits& limits, int64_t lower_bound);

  // Iterated local search from the best: starts of a good schedule, shaken at random (equal in
  // every run) by up to a part of the makespan, are the keys of a new one, which passes improve.
  // Ends when `lower_bound` is reached or after about `most_placements` tasks were placed.
  void Shake(uint64_t most_placements, const SearchLimits& limits, int64_t lower_bound);

  // A schedule from elsewhere, kept if it is better.
  void Offer(const std::vector<int64_t>& start);

  const std::vector<int64_t>& best() const { return best_; }
  int64_t makespan() const { return makespan_; }

 private:
  enum class Kind : uint8_t { kGreedy, kInsert };

  void Keep(const std::vector<int64_t>& start, int64_t makespan);
  // Schedules by keys_ into current_, then makes `rounds` passes back and forth over it. Returns
  // its makespan; Keep() has seen all on the way.
  int64_t MakeAndPass(Kind kind, int rounds);
  int64_t PassBack(Kind kind);  // over current_, which then starts at 0 again
  int64_t PassForward(Kind kind);
  uint64_t Random();

  const TaskGraph& graph_;
  TaskGraph reversed_;
  ListScheduler forwards_, backwards_;
  std::vector<int64_t> keys_, current_, other_;
  std::vector<int64_t> best_;
  int64_t makespan_ = INT64_MAX;
  uint64_t random_ = 1;
};

}  // namespace tinyai
