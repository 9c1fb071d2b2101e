#include <algorithm>
#include <numeric>

#include "fmt/format.h"
#include "solve/makespan.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Bad(std::string what) {
  return Fail(ErrorCode::kOther, "BAD_SOLUTION", std::move(what));
}

// By processor, then start; of two that start together the one that ends first.
std::vector<uint32_t> InOrderOfProcessors(const MakespanProblem& problem,
                                          const MakespanSchedule& schedule) {
  std::vector<uint32_t> tasks(problem.times.size());
  std::iota(tasks.begin(), tasks.end(), 0u);
  std::sort(tasks.begin(), tasks.end(), [&](uint32_t a, uint32_t b) {
    if (schedule.processor[a] != schedule.processor[b]) {
      return schedule.processor[a] < schedule.processor[b];
    }
    if (schedule.start[a] != schedule.start[b]) return schedule.start[a] < schedule.start[b];
    return problem.times[a] < problem.times[b];
  });
  return tasks;
}

}  // namespace

Result<uint64_t> CheckMakespan(const MakespanProblem& problem, const MakespanSchedule& schedule) {
  const size_t count = problem.times.size();
  if (schedule.start.size() != count || schedule.processor.size() != count) {
    return Bad(fmt::format("{} starts and {} processors for {} tasks", schedule.start.size(),
                           schedule.processor.size(), count));
  }
  uint64_t makespan = 0;
  for (size_t task = 0; task < count; ++task) {
    if (schedule.processor[task] >= problem.processors) {
      return Bad(fmt::format("task {} is on processor {}; there are {}, from 0", task,
                             schedule.processor[task], problem.processors));
    }
    if (schedule.start[task] > UINT64_MAX - problem.times[task]) {
      return Bad(fmt::format("task {} starts at {} and takes {}: no such time", task,
                             schedule.start[task], problem.times[task]));
    }
    makespan = std::max(makespan, schedule.start[task] + problem.times[task]);
  }
  for (const MakespanProblem::Edge& edge : problem.edges) {
    const uint64_t end = schedule.start[edge.before] + problem.times[edge.before];
    if (schedule.start[edge.after] < end) {
      return Bad(fmt::format("task {} starts at {}, before task {} has ended at {}", edge.after,
                             schedule.start[edge.after], edge.before, end));
    }
  }
  const std::vector<uint32_t> tasks = InOrderOfProcessors(problem, schedule);
  for (size_t i = 1; i < count; ++i) {
    const uint32_t first = tasks[i - 1], second = tasks[i];
    if (schedule.processor[first] != schedule.processor[second]) continue;
    if (schedule.start[second] < schedule.start[first] + problem.times[first]) {
      return Bad(fmt::format("tasks {} and {} are on processor {} at {}", first, second,
                             schedule.processor[first], schedule.start[second]));
    }
  }
  return makespan;
}

}  // namespace tinyai
