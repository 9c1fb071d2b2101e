#include "solve/makespan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

#include "solve/improve_makespan.h"
#include "solve/makespan_bound.h"
#include "solve/search_makespan.h"
#include "solve/task_graph.h"

namespace tinyai {
namespace {

// Together about half a second; see bench/solve_makespan.py.
constexpr uint64_t kPlacementsFirst = 1'500'000;
constexpr uint64_t kPlacementsLater = 500'000;
constexpr uint64_t kFirstStates = 5'000;
constexpr uint64_t kMostVisits = 60'000'000;  // of tasks in states
constexpr uint64_t kVisitsBesides = 50;       // what a state costs besides its tasks
constexpr size_t kSearchMemory = size_t{64} << 20;
constexpr uint32_t kMostTasksForPaths = 1024;     // bounds of n^3 / 10
constexpr uint32_t kMostTasksForIntervals = 256;  // bounds of 10 n^3

// Tasks without time start when the last before them ends, on the same processor, where another one
// begins then at the earliest.
MakespanSchedule GiveProcessors(const TaskGraph& graph, const std::vector<int64_t>& start) {
  const uint32_t count = graph.size();
  std::vector<int64_t> starts = start;
  std::vector<uint32_t> processor(count), by_start;
  for (uint32_t task = 0; task < count; ++task) {
    if (graph.times[task] > 0) by_start.push_back(task);
  }
  std::stable_sort(by_start.begin(), by_start.end(),
                   [&](uint32_t a, uint32_t b) { return start[a] < start[b]; });
  using Free = std::pair<int64_t, uint32_t>;  // since when, processor
  std::priority_queue<Free, std::vector<Free>, std::greater<>> free;
  for (uint32_t i = 0; i < graph.processors; ++i) free.emplace(0, i);
  for (const uint32_t task : by_start) {
    processor[task] = free.top().second;
    free.pop();
    free.emplace(start[task] + graph.times[task], processor[task]);
  }
  for (const uint32_t task : graph.order) {
    if (graph.times[task] > 0) continue;
    starts[task] = 0;
    for (const uint32_t before : graph.before[task]) {
      const int64_t end = starts[before] + graph.times[before];
      if (end < starts[task]) continue;
      starts[task] = end;
      processor[task] = processor[before];
    }
  }
  for (int64_t& one : starts) one *= graph.unit;
  return {std::vector<uint64_t>(starts.begin(), starts.end()), std::move(processor)};
}

// A search for shorter and shorter schedules, forwards and backwards in turn.
class Prover {
 public:
  Prover(const TaskGraph& graph, MakespanImprover& improver, int64_t& lower_bound)
      : graph_(graph), improver_(improver), lower_bound_(lower_bound) {}

  void Run(const SearchLimits& limits);

 private:
  using Order = MakespanSearch::Order;
  using Verdict = MakespanSearch::Verdict;

  bool done(const SearchLimits& limits) const {
    return improver_.makespan() <= lower_bound_ || limits.expired();
  }
  void Try(MakespanSearch& search, bool backwards, Order order, uint64_t states,
           const SearchLimits& limits);

  const TaskGraph& graph_;
  MakespanImprover& improver_;
  int64_t& lower_bound_;
};

void Prover::Run(const SearchLimits& limits) {
  TaskGraph forwards = graph_;
  RaiseHeadsAndTails(forwards);
  lower_bound_ = std::max(lower_bound_, std::min(QuickBound(forwards), improver_.makespan()));
  if (graph_.size() <= kMostTasksForIntervals) {
    lower_bound_ = std::max(lower_bound_, IntervalBound(forwards, improver_.makespan()));
  }
  const TaskGraph backwards = Reversed(forwards);
  MakespanSearch search_forwards(forwards, kSearchMemory);
  MakespanSearch search_backwards(backwards, kSearchMemory);
  const bool exact = limits.effort == Effort::kExact;
  uint64_t spent = 0;
  for (uint64_t states = kFirstStates; !done(limits); states *= 2) {
    for (const Order order : {Order::kTail, Order::kTailAndTime, Order::kWork}) {
      if (!done(limits)) Try(search_forwards, false, order, states, limits);
      if (!done(limits)) Try(search_backwards, true, order, states, limits);
      spent += 2 * states;
      if (!exact && spent * (graph_.size() + kVisitsBesides) > kMostVisits) return;
    }
    if (!done(limits)) improver_.Shake(kPlacementsLater, limits, lower_bound_);
  }
}

void Prover::Try(MakespanSearch& search, bool backwards, Order order, uint64_t states,
                 const SearchLimits& limits) {
  std::vector<int64_t> start;
  const int64_t target = improver_.makespan() - 1;
  const Verdict verdict = search.Find(target, order, states, limits, start);
  if (verdict == Verdict::kNone) lower_bound_ = target + 1;
  if (verdict != Verdict::kFound) return;
  if (backwards) {
    for (uint32_t task = 0; task < graph_.size(); ++task) {
      start[task] = target - start[task] - graph_.times[task];
    }
  }
  improver_.Offer(start);
}

struct Best {
  std::vector<int64_t> start;
  int64_t makespan, lower_bound;
};

// The tasks that take time, few enough for bounds and searches that are not linear.
Best SolveSmall(const TaskGraph& graph, const SearchLimits& limits) {
  int64_t lower_bound = QuickBound(graph);
  MakespanImprover improver(graph);
  improver.ListSchedules(2, limits, lower_bound);
  if (improver.makespan() > lower_bound) improver.Shake(kPlacementsFirst, limits, lower_bound);
  const int64_t total = std::accumulate(graph.times.begin(), graph.times.end(), int64_t{0});
  if (improver.makespan() > lower_bound && total < MakespanSearch::kMostTime && !limits.expired()) {
    Prover(graph, improver, lower_bound).Run(limits);
  }
  return {improver.best(), improver.makespan(), lower_bound};
}

Best SolveAny(const TaskGraph& graph, const SearchLimits& limits) {
  const int64_t lower_bound = QuickBound(graph);
  MakespanImprover improver(graph);
  improver.ListSchedules(1, limits, lower_bound);
  if (limits.effort != Effort::kFast && improver.makespan() > lower_bound) {
    improver.Shake(kPlacementsFirst, limits, lower_bound);
  }
  return {improver.best(), improver.makespan(), lower_bound};
}

}  // namespace

Status CheckMakespanProblem(const MakespanProblem& problem) {
  TRY(MakeTaskGraph(problem));
  return {};
}

Result<MakespanResult> SolveMakespan(const MakespanProblem& problem, const SearchLimits& limits) {
  TRY_ASSIGN(const TaskGraph graph, MakeTaskGraph(problem));
  const auto with_time =
      std::count_if(graph.times.begin(), graph.times.end(), [](int64_t time) { return time > 0; });
  if (with_time == 0) {
    const std::vector<int64_t> start(graph.size(), 0);
    return MakespanResult{.schedule = GiveProcessors(graph, start)};
  }
  Best best;
  if (limits.effort == Effort::kFast || graph.size() > 4 * kMostTasksForPaths ||
      with_time > kMostTasksForPaths) {
    best = SolveAny(graph, limits);
  } else {
    std::vector<uint32_t> kept;
    const TaskGraph condensed = Condensed(graph, &kept);
    Best found = SolveSmall(condensed, limits);
    best = {std::vector<int64_t>(graph.size(), 0), found.makespan, found.lower_bound};
    for (uint32_t i = 0; i < kept.size(); ++i) best.start[kept[i]] = found.start[i];
  }
  return MakespanResult{static_cast<uint64_t>(best.makespan * graph.unit),
                        static_cast<uint64_t>(best.lower_bound * graph.unit),
                        GiveProcessors(graph, best.start)};
}

}  // namespace tinyai
