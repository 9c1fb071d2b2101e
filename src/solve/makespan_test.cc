#include "solve/makespan.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "solve/list_schedule.h"
#include "solve/makespan_bound.h"
#include "solve/search_makespan.h"
#include "solve/task_graph.h"

namespace tinyai {
namespace {

MakespanProblem RandomProblem(uint32_t seed, uint32_t most_tasks, uint64_t most_time) {
  std::mt19937 random(seed);
  MakespanProblem problem;
  problem.processors = 1 + random() % 4;
  const uint32_t count = 1 + random() % most_tasks, density = 1 + random() % 60;
  for (uint32_t task = 0; task < count; ++task) {
    problem.times.push_back(random() % (most_time + 1));
    for (uint32_t before = 0; before < task; ++before) {
      if (random() % 100 < density) problem.edges.push_back({before, task});
    }
  }
  return problem;
}

// Every order of tasks, each placed as early as the ones before leave room: some best schedule is
// made like this. Only obvious steps: a table of how many run at each time.
class BruteForce {
 public:
  explicit BruteForce(const MakespanProblem& problem)
      : problem_(problem), end_(problem.times.size(), UINT64_MAX), used_(100) {}

  uint64_t Best(uint64_t makespan = 0, size_t placed = 0) {
    if (makespan >= best_) return best_;
    if (placed == end_.size()) return best_ = makespan;
    for (uint32_t task = 0; task < end_.size(); ++task) {
      uint64_t start = 0;
      bool ready = end_[task] == UINT64_MAX;
      for (const auto& edge : problem_.edges) {
        if (edge.after != task) continue;
        ready = ready && end_[edge.before] != UINT64_MAX;
        start = std::max(start, end_[edge.before]);
      }
      if (!ready) continue;
      while (!Fits(start, problem_.times[task])) ++start;
      end_[task] = start + problem_.times[task];
      Use(start, end_[task], 1);
      Best(std::max(makespan, end_[task]), placed + 1);
      Use(start, end_[task], -1);
      end_[task] = UINT64_MAX;
    }
    return best_;
  }

 private:
  bool Fits(uint64_t start, uint64_t time) const {
    for (uint64_t t = start; t < start + time; ++t) {
      if (used_[t] >= static_cast<int>(problem_.processors)) return false;
    }
    return true;
  }
  void Use(uint64_t from, uint64_t to, int change) {
    for (uint64_t t = from; t < to; ++t) used_[t] += change;
  }

  const MakespanProblem& problem_;
  std::vector<uint64_t> end_;
  std::vector<int> used_;
  uint64_t best_ = 99;
};

MakespanResult Solved(const MakespanProblem& problem, Effort effort = Effort::kNormal) {
  const Result<MakespanResult> result = SolveMakespan(problem, {.effort = effort});
  EXPECT_TRUE(result) << Describe(result.error());
  const Result<uint64_t> value = CheckMakespan(problem, result->schedule);
  EXPECT_TRUE(value) << Describe(value.error());
  EXPECT_EQ(value.value_or(0), result->value);
  EXPECT_LE(result->lower_bound, result->value);
  return *result;
}

TEST(SolveMakespan, EqualsTheBestOfAllSchedulesOnRandomProblems) {
  for (uint32_t seed = 0; seed < 800; ++seed) {
    const MakespanProblem problem = RandomProblem(seed, 7, 1 + seed % 9);
    const uint64_t best = BruteForce(problem).Best();
    ASSERT_EQ(Solved(problem).value, best) << seed;
    ASSERT_EQ(Solved(problem, Effort::kExact).lower_bound, best) << seed;
    const MakespanResult fast = Solved(problem, Effort::kFast);
    ASSERT_GE(fast.value, best) << seed;
    ASSERT_LE(fast.lower_bound, best) << seed;
  }
}

// The search alone, which the bounds and the local search mostly leave nothing to do.
TEST(MakespanSearch, FindsScheduleOfTheLeastLengthAndNoneBelow) {
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    const MakespanProblem problem = RandomProblem(seed, 7, 1 + seed % 9);
    std::vector<uint32_t> kept;
    TaskGraph graph = Condensed(MakeTaskGraph(problem).value(), &kept);
    if (kept.empty()) continue;
    const auto best = static_cast<int64_t>(BruteForce(problem).Best()) / graph.unit;
    if (seed % 2 == 0) RaiseHeadsAndTails(graph);
    for (const TaskGraph& way : {graph, Reversed(graph)}) {
      for (const auto order : {MakespanSearch::Order::kTail, MakespanSearch::Order::kTailAndTime,
                               MakespanSearch::Order::kWork}) {
        MakespanSearch search(way, 1 << 20);
        std::vector<int64_t> start;
        for (int64_t target = best + 2; target >= best; --target) {
          ASSERT_EQ(search.Find(target, order, UINT64_MAX, {}, start),
                    MakespanSearch::Verdict::kFound)
              << seed << " " << target << " of " << best;
          for (uint32_t task = 0; task < way.size(); ++task) {
            ASSERT_LE(start[task] + way.times[task], target);
          }
        }
        ASSERT_EQ(search.Find(best - 1, order, UINT64_MAX, {}, start),
                  MakespanSearch::Verdict::kNone)
            << seed;
      }
    }
  }
}

TEST(MakespanBound, IsNeverAboveTheBest) {
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    const MakespanProblem problem = RandomProblem(seed, 7, 1 + seed % 9);
    TaskGraph graph = MakeTaskGraph(problem).value();
    const auto best = static_cast<int64_t>(BruteForce(problem).Best()) / graph.unit;
    const int64_t quick = QuickBound(graph), interval = IntervalBound(graph, best + 9);
    ASSERT_LE(quick, interval) << seed;
    ASSERT_LE(interval, best) << seed;
    RaiseHeadsAndTails(graph);
    ASSERT_LE(interval, IntervalBound(graph, best + 9)) << seed;
    ASSERT_LE(IntervalBound(graph, best + 9), best) << seed;
  }
}

TEST(SolveMakespan, IsNeverWorseThanTheListScheduleByLevels) {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const MakespanProblem problem = RandomProblem(seed, 200, 20);
    const TaskGraph graph = MakeTaskGraph(problem).value();
    std::vector<int64_t> keys, start;
    for (uint32_t task = 0; task < graph.size(); ++task) {
      keys.push_back(-graph.tails[task] - graph.times[task]);
    }
    const int64_t list = ListScheduler(graph).Greedy(keys, start) * graph.unit;
    const int64_t inserted = ListScheduler(graph).Insert(keys, start) * graph.unit;
    const MakespanResult fast = Solved(problem, Effort::kFast);
    EXPECT_LE(static_cast<int64_t>(fast.value), list) << seed;
    EXPECT_LE(static_cast<int64_t>(fast.lower_bound), inserted) << seed;
    const MakespanResult normal = Solved(problem);
    EXPECT_LE(normal.value, fast.value) << seed;
    EXPECT_GE(normal.lower_bound, fast.lower_bound) << seed;
    EXPECT_EQ(normal.schedule.start, Solved(problem).schedule.start) << seed;
  }
}

TEST(SolveMakespan, TakesProblemsWithoutWorkAndLargeNumbers) {
  EXPECT_EQ(Solved({}).value, 0u);
  EXPECT_EQ(Solved({.processors = 3, .times = {0, 0}, .edges = {{1, 0}}}).value, 0u);
  const uint64_t large = uint64_t{1} << 60;
  EXPECT_EQ(Solved({.processors = UINT32_MAX, .times = {large, large, 7}, .edges = {}}).value,
            large);
  EXPECT_EQ(Solved({.processors = 2, .times = {large, large, 7}, .edges = {{0, 1}}}).value,
            2 * large);
}

TEST(SolveMakespan, RefusesWhatMakesNoSense) {
  const auto refused = [](const MakespanProblem& problem) {
    const Result<MakespanResult> result = SolveMakespan(problem, {});
    return result ? std::string("taken") : Describe(result.error());
  };
  const uint64_t large = uint64_t{1} << 61;
  EXPECT_NE(refused({.processors = 0, .times = {1}, .edges = {}}).find("processors"),
            std::string::npos);
  EXPECT_NE(refused({.times = {1}, .edges = {{0, 1}}}).find("no task 1"), std::string::npos);
  EXPECT_NE(refused({.times = {large, large}, .edges = {}}).find("2^62"), std::string::npos);
  EXPECT_NE(refused({.times = {UINT64_MAX}, .edges = {}}).find("2^62"), std::string::npos);
  EXPECT_NE(refused({.times = {1}, .edges = {{0, 0}}}).find("cycle"), std::string::npos);
  // Task 3 is behind the cycle, task 0 before it.
  const std::string cycle =
      refused({.times = {1, 1, 1, 1}, .edges = {{0, 1}, {1, 2}, {2, 1}, {2, 3}}});
  EXPECT_TRUE(cycle.find("task 1") != std::string::npos ||
              cycle.find("task 2") != std::string::npos)
      << cycle;
}

TEST(CheckMakespan, FindsEveryDamage) {
  const MakespanProblem problem{.processors = 2, .times = {3, 2, 2, 0}, .edges = {{0, 2}, {1, 3}}};
  const MakespanSchedule good{{0, 0, 3, 2}, {0, 1, 0, 1}};
  ASSERT_EQ(CheckMakespan(problem, good).value_or(0), 5u);
  const auto damaged = [&](auto change) {
    MakespanSchedule schedule = good;
    change(schedule);
    return !CheckMakespan(problem, schedule);
  };
  EXPECT_TRUE(damaged([](auto& s) { s.start[2] = 2; }));
  EXPECT_TRUE(damaged([](auto& s) { s.processor[1] = 0; }));
  EXPECT_TRUE(damaged([](auto& s) { s.processor[1] = 2; }));
  EXPECT_TRUE(damaged([](auto& s) { s.processor[3] = 0; }));  // within task 0's time
  EXPECT_TRUE(damaged([](auto& s) { s.start[0] = UINT64_MAX; }));
  EXPECT_TRUE(damaged([](auto& s) { s.start.pop_back(); }));
  EXPECT_FALSE(damaged([](auto& s) { s.start[2] = 4; }));
}

TEST(SolveMakespan, StopsAtADeadlineWithAValidSchedule) {
  const MakespanProblem problem = RandomProblem(5, 400, 50);
  SearchLimits limits{.effort = Effort::kExact, .deadline = SearchLimits::Clock::now()};
  const Result<MakespanResult> result = SolveMakespan(problem, limits);
  ASSERT_TRUE(result);
  EXPECT_EQ(CheckMakespan(problem, result->schedule).value_or(0), result->value);
}

}  // namespace
}  // namespace tinyai
