#include "plan/simulate.h"

#include "gtest/gtest.h"
#include "plan/compile_net.h"
#include "plan/net_test_support.h"
#include "plan/simulate_turns.h"

namespace tinyai {
namespace {

constexpr PlaceId kCpu{0}, kDisk{1};

// Loads into `slots` buffers in turn, each used by one computation: the scheme of streamed weights.
TaskNet Pipeline(uint32_t slices, uint32_t slots, double load_seconds, double use_seconds) {
  TaskNet net;
  net.memories = {{"RAM", ~uint64_t{0}, 1, slots * 100}};
  net.places = {{"CPU", {}, true}, {"DISK", {}, false}};
  net.regions = {{"pass"}};
  net.loops = true;
  for (uint32_t i = 0; i < slices; ++i) {
    const NetValueId slice = NetValueId(net.values.size());
    net.values.push_back({.name = fmt::format("w{}", i), .bytes = 100, .offset = i % slots * 100});
    net.ops.push_back({.name = fmt::format("load {}", i),
                       .outs = {slice},
                       .choices = {{kDisk, load_seconds}},
                       .moved_bytes = 100});
    net.ops.push_back(
        {.name = fmt::format("use {}", i), .ins = {slice}, .choices = {{kCpu, use_seconds}}});
  }
  return net;
}

PlannedNet Plan(const TaskNet& net) {
  EXPECT_TRUE(CheckNet(net));
  Result<PlannedNet> planned = PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}});
  EXPECT_TRUE(planned) << Describe(planned.error());
  return std::move(*planned);
}

TEST(Simulate, TheSlowerQueueSetsThePaceOfARing) {
  for (const double use : {1.0, 3.0}) {
    const Simulation simulation = Plan(Pipeline(8, 3, 2, use)).simulation;
    EXPECT_DOUBLE_EQ(simulation.makespan, 8 * std::max(2.0, use));
    EXPECT_DOUBLE_EQ(simulation.busy[0], 8 * use);
    EXPECT_EQ(simulation.moved_bytes[1], 800u);
    EXPECT_EQ(simulation.peaks[0], 300u);
  }
}

TEST(SimulateTurns, ShowsOnOneClockWhatSimulateShowsTheLastOf) {
  const TaskNet net = Pipeline(8, 3, 2, 1);
  const NetPlan plan = Plan(net).plan;
  const auto turns = SimulateTurns(net, plan, 3);
  ASSERT_EQ(turns.size(), 3u);
  for (const uint32_t most : {2u, 3u}) {
    const auto last = Simulate(net, plan, most).spans;
    for (size_t place = 0; place < last.size(); ++place) {
      ASSERT_EQ(turns[most - 1][place].size(), last[place].size());
      for (size_t i = 0; i < last[place].size(); ++i) {
        EXPECT_EQ(turns[most - 1][place][i].begin, last[place][i].begin);
        EXPECT_EQ(turns[most - 1][place][i].end, last[place][i].end);
      }
    }
  }
  EXPECT_EQ(turns[0][Index(kDisk)][0].begin, 0);
  EXPECT_EQ(turns[0][Index(kCpu)][0].begin, 2);
  EXPECT_TRUE(SimulateTurns(net, plan, 0).empty());
}

// One slot: nothing overlaps.
TEST(Simulate, WithOneSlotLoadsAndUsesTakeTurns) {
  const Simulation simulation = Plan(Pipeline(5, 1, 2, 3)).simulation;
  EXPECT_DOUBLE_EQ(simulation.makespan, 25);
  EXPECT_DOUBLE_EQ(simulation.stalled[0], 10);
  EXPECT_DOUBLE_EQ(simulation.stalled[1], 15);
}

// scheduling.md 2.5: a ring of R slots has two crossings for each load and use, one of them at a
// distance of R; keeping all concurrency costs a sync for each.
TEST(Simulate, ARingNeedsASyncForEachLoadAndEachReuse) {
  for (const uint32_t slots : {2u, 3u, 4u}) {
    const PlannedNet planned = Plan(Pipeline(12, slots, 1, 1));
    EXPECT_EQ(planned.plan.syncs(), 24u);
  }
}

// No plan is faster than its busiest place or its longest chain of ops, nor slower than one op at a
// time.
TEST(Simulate, StaysWithinTheBoundsOfAnyPlan) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const TaskNet net = RandomNet({.ops = 14, .places = 3, .density = 0.15}, seed).Take();
    const PlannedNet planned = Plan(net);
    std::vector<double> busy(net.places.size(), 0), finish(net.ops.size(), 0);
    double chain = 0, all = 0;
    for (size_t i = 0; i < net.ops.size(); ++i) {
      double start = 0;
      for (const NetNeed& need : Needs(net)) {
        if (Index(need.later) == i) start = std::max(start, finish[Index(need.earlier)]);
      }
      finish[i] = start + net.ops[i].choices[0].seconds;
      busy[Index(net.ops[i].choices[0].place)] += net.ops[i].choices[0].seconds;
      chain = std::max(chain, finish[i]);
      all += net.ops[i].choices[0].seconds;
    }
    const double least = std::max(chain, *std::max_element(busy.begin(), busy.end()));
    EXPECT_GE(planned.simulation.makespan, least * (1 - 1e-12));
    EXPECT_LE(planned.simulation.makespan, all * (1 + 1e-12));
  }
}

TEST(Simulate, CountsThePeakThatThePlanHas) {
  for (const bool loops : {false, true}) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const TaskNet net = RandomNet({.ops = 14, .places = 3, .loops = loops}, seed).Take();
      const PlannedNet planned = Plan(net);
      EXPECT_EQ(planned.simulation.peaks, planned.plan.heights) << seed;
      EXPECT_LE(planned.peaks[0].lower_bound, planned.peaks[0].value);
    }
  }
}

}  // namespace
}  // namespace tinyai
