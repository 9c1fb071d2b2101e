#include "solve/placement.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gtest/gtest.h"
#include "solve/placement_net.h"

namespace tinyai {
namespace {

constexpr double kNever = PlacementProblem::kNever;

// The example of Topcuoglu, Hariri and Wu 2002, figure 2 and table 1.
PlacementProblem Canonical() {
  PlacementProblem problem;
  problem.places = 3;
  problem.seconds = {14, 16, 9, 13, 19, 18, 11, 13, 19, 13, 8,  17, 12, 13, 10,
                     13, 16, 9, 7,  15, 11, 5,  11, 14, 18, 12, 20, 21, 7,  16};
  problem.edges = {{0, 1, 18}, {0, 2, 12}, {0, 3, 9},  {0, 4, 11}, {0, 5, 14},
                   {1, 7, 19}, {1, 8, 16}, {2, 6, 23}, {3, 7, 27}, {3, 8, 23},
                   {4, 8, 13}, {5, 7, 15}, {6, 9, 17}, {7, 9, 11}, {8, 9, 13}};
  problem.links.assign(9, {0, 1});
  return problem;
}

// Small whole numbers, so that sums are exact.
PlacementProblem RandomProblem(uint32_t seed, uint32_t most_ops) {
  std::mt19937 random(seed);
  PlacementProblem problem;
  problem.places = 1 + random() % 3;
  const uint32_t ops = 1 + random() % most_ops, density = 1 + random() % 70;
  for (uint32_t op = 0; op < ops; ++op) {
    for (uint32_t place = 0; place < problem.places; ++place) {
      problem.seconds.push_back(random() % 5 == 0 ? kNever : random() % 10);
    }
    if (!std::isfinite(problem.seconds[op * problem.places])) {
      problem.seconds[op * problem.places + random() % problem.places] = random() % 10;
    }
    for (uint32_t before = 0; before < op; ++before) {
      if (random() % 100 < density) problem.edges.push_back({before, op, random() % 4});
    }
  }
  for (uint32_t i = 0; i < problem.places * problem.places; ++i) {
    problem.links.push_back({double(random() % 4), double(random() % 3)});
  }
  if (random() % 2 == 0) {
    for (uint32_t op = 0; op < ops; ++op) problem.bytes.push_back(random() % 5);
    for (uint32_t i = 0; i < problem.places; ++i) problem.budgets.push_back(3 * ops - random() % 3);
  }
  return problem;
}

// Says what is wrong with an answer; nothing: it is right.
std::string WrongWith(const PlacementProblem& problem, const PlacementResult& result) {
  const uint32_t ops = problem.ops(), places = problem.places;
  std::vector<uint64_t> held(places, 0);
  double last = 0;
  const auto end = [&](uint32_t op) {
    return result.start[op] + problem.seconds[op * places + result.place[op]];
  };
  for (uint32_t a = 0; a < ops; ++a) {
    if (result.place[a] >= places || !(result.start[a] >= 0) || !(end(a) < kNever)) return "place";
    last = std::max(last, end(a));
    held[result.place[a]] += problem.bytes.empty() ? 0 : problem.bytes[a];
    for (uint32_t b = 0; b < a; ++b) {
      if (result.place[a] == result.place[b] && result.start[a] < end(b) &&
          result.start[b] < end(a)) {
        return "overlap";
      }
    }
  }
  for (const auto& edge : problem.edges) {
    const uint32_t from = result.place[edge.before], to = result.place[edge.after];
    const auto& link = problem.links[from * places + to];
    const double travel =
        from == to ? 0 : link.latency_seconds + link.seconds_per_byte * double(edge.bytes);
    if (result.start[edge.after] < end(edge.before) + travel) return "edge";
  }
  for (uint32_t place = 0; place < places && !problem.budgets.empty(); ++place) {
    if (held[place] > problem.budgets[place]) return "budget";
  }
  if (last != result.seconds) return "value";
  return result.lower_bound_seconds <= result.seconds ? "" : "bound";
}

// All placements and orders, each op as early as it can at the end of its place.
class BruteForce {
 public:
  explicit BruteForce(const PlacementProblem& problem)
      : problem_(problem), place_(problem.ops()), end_(problem.ops(), -1) {}

  double Best(double makespan = 0, uint32_t done = 0) {
    if (done == problem_.ops()) return best_ = std::min(best_, makespan);
    for (uint32_t op = 0; op < problem_.ops(); ++op) {
      for (uint32_t place = 0; place < problem_.places && end_[op] < 0; ++place) {
        const double end = EndAt(op, place);
        if (!(end < kNever)) continue;
        place_[op] = place;
        end_[op] = end;
        Best(std::max(makespan, end), done + 1);
        end_[op] = -1;
      }
    }
    return best_;
  }

 private:
  double EndAt(uint32_t op, uint32_t place) const {
    double start = 0;
    uint64_t held = problem_.bytes.empty() ? 0 : problem_.bytes[op];
    for (uint32_t other = 0; other < problem_.ops(); ++other) {
      if (end_[other] < 0 || place_[other] != place) continue;
      start = std::max(start, end_[other]);
      held += problem_.bytes.empty() ? 0 : problem_.bytes[other];
    }
    if (!problem_.budgets.empty() && held > problem_.budgets[place]) return kNever;
    for (const auto& edge : problem_.edges) {
      if (edge.after != op) continue;
      if (end_[edge.before] < 0) return kNever;
      const uint32_t from = place_[edge.before];
      const auto& link = problem_.links[from * problem_.places + place];
      const double travel =
          from == place ? 0 : link.latency_seconds + link.seconds_per_byte * double(edge.bytes);
      start = std::max(start, end_[edge.before] + travel);
    }
    return start + problem_.seconds[op * problem_.places + place];
  }

  const PlacementProblem& problem_;
  std::vector<uint32_t> place_;
  std::vector<double> end_;
  double best_ = kNever;
};

TEST(SolvePlacement, CanonicalExampleTakes80ByHeftAnd73AtBest) {
  const PlacementProblem problem = Canonical();
  const PlacementNet net = MakePlacementNet(problem).value();
  EXPECT_EQ(RunHeft(net, true).seconds, 80);
  const Result<PlacementResult> best = SolvePlacement(problem, {});
  ASSERT_TRUE(best);
  EXPECT_EQ(WrongWith(problem, *best), "");
  EXPECT_EQ(best->seconds, 73);
  EXPECT_TRUE(best->optimal());
}

TEST(SolvePlacement, EqualsTheBestOfAllPlacementsAndOrders) {
  int infeasible = 0;
  for (uint32_t seed = 0; seed < 1500; ++seed) {
    const PlacementProblem problem = RandomProblem(seed, 5);
    const double best = BruteForce(problem).Best();
    const Result<PlacementResult> result = SolvePlacement(problem, {});
    ASSERT_EQ(result.has_value(), best < kNever) << seed;
    if (!result) {
      EXPECT_EQ(result.error().key, "BUDGET_INFEASIBLE");
      ++infeasible;
      continue;
    }
    ASSERT_EQ(WrongWith(problem, *result), "") << seed;
    ASSERT_EQ(result->seconds, best) << seed;
    ASSERT_TRUE(result->optimal()) << seed;
    const Result<PlacementResult> fast = SolvePlacement(problem, {.effort = Effort::kFast});
    if (!fast) continue;  // a budget that only the search keeps
    ASSERT_EQ(WrongWith(problem, *fast), "") << seed;
    ASSERT_LE(fast->lower_bound_seconds, best) << seed;
    ASSERT_GE(fast->seconds, best) << seed;
  }
  EXPECT_LT(infeasible, 300);
}

TEST(SolvePlacement, MovesAreNeverWorseThanHeftAndEqualInEveryRun) {
  int better = 0;
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const PlacementProblem problem = RandomProblem(seed, 60);
    const Result<PlacementResult> fast = SolvePlacement(problem, {.effort = Effort::kFast});
    const Result<PlacementResult> normal = SolvePlacement(problem, {});
    if (!fast) continue;
    ASSERT_TRUE(normal) << seed;
    ASSERT_EQ(WrongWith(problem, *normal), "") << seed;
    ASSERT_EQ(WrongWith(problem, *fast), "") << seed;
    const PlacementNet net = MakePlacementNet(problem).value();
    for (const bool insert : {false, true}) {
      ASSERT_LE(normal->seconds, RunHeft(net, insert).seconds) << seed;
    }
    ASSERT_LE(normal->seconds, fast->seconds) << seed;
    better += normal->seconds < fast->seconds;
    const Result<PlacementResult> again = SolvePlacement(problem, {});
    ASSERT_EQ(again->place, normal->place) << seed;
    ASSERT_EQ(again->start, normal->start) << seed;
  }
  EXPECT_GT(better, 5);
}

TEST(SolvePlacement, KeepsOneOpFromAFastPlaceThatIsFarAway) {
  PlacementProblem problem{.places = 2, .seconds = {1, 0.5}, .links = {{}, {9, 0}, {9, 0}, {}}};
  EXPECT_EQ(SolvePlacement(problem, {})->place, std::vector<uint32_t>{1});
  problem.seconds = {1, kNever, 1, 0.5, 1, kNever};
  problem.edges = {{0, 1}, {1, 2}};
  EXPECT_EQ(SolvePlacement(problem, {})->place, (std::vector<uint32_t>{0, 0, 0}));
  problem.links.assign(4, {0.1, 0});
  EXPECT_EQ(SolvePlacement(problem, {})->place, (std::vector<uint32_t>{0, 1, 0}));
}

TEST(SolvePlacement, RefusesWhatMakesNoSense) {
  const auto refused = [](auto change) {
    PlacementProblem problem = Canonical();
    change(problem);
    const Result<PlacementResult> result = SolvePlacement(problem, {});
    return result ? std::string("taken") : std::string(result.error().key);
  };
  const double nan = std::nan("");
  EXPECT_EQ(refused([](auto& p) { p.places = 0; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.seconds.pop_back(); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.links.pop_back(); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.budgets = {1}; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([&](auto& p) { p.seconds[4] = nan; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.seconds[4] = -1; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.seconds.assign(30, 1e308); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { std::fill_n(p.seconds.begin() + 3, 3, kNever); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([&](auto& p) { p.links[1].latency_seconds = nan; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.links[1].seconds_per_byte = -1; }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.edges.push_back({0, 10, 1}); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) { p.edges.push_back({9, 0, 1}); }), "BAD_PROBLEM");
  EXPECT_EQ(refused([](auto& p) {
              p.bytes.assign(10, 4);
              p.budgets = {12, 13, 14};
            }),
            "BUDGET_INFEASIBLE");
  EXPECT_EQ(SolvePlacement({.links = {{}}}, {})->seconds, 0);  // no ops
}

}  // namespace
}  // namespace tinyai
