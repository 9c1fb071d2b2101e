#include "plan/shrink_peak.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

using Kind = AddedOp::Kind;

// A large value is made from a small one, used at once, and again at the end; in between another
// large value is needed.
TaskNet UsedTwice(double seconds_to_make) {
  TaskNet net;
  net.memories = {{"RAM", 210, 1}, {"DISK", 1000, 1}};
  net.places = {
      {"CPU", MemoryId(0), true}, {"CPU.out", MemoryId(0), false}, {"DISK.in", MemoryId(1), false}};
  net.regions = {{"all"}};
  net.links = {{MemoryId(0), MemoryId(1), PlaceId(1), PlaceId(2), 1.0, 100.0}};
  const auto add = [&](NetOperands ins, uint64_t bytes, double seconds) {
    net.values.push_back({.name = fmt::format("v{}", net.values.size()), .bytes = bytes});
    net.ops.push_back({.name = fmt::format("o{}", net.ops.size()),
                       .ins = std::move(ins),
                       .outs = {NetValueId(net.values.size() - 1)},
                       .choices = {{PlaceId(0), seconds}}});
    return net.ops.back().outs[0];
  };
  const NetValueId seed = add({}, 1, 1);
  const NetValueId large = add({seed}, 100, seconds_to_make);
  const NetValueId first = add({large}, 1, 1);
  const NetValueId other = add({first}, 100, 1);
  const NetValueId wide = add({other}, 100, 1);
  const NetValueId narrow = add({wide}, 1, 1);
  add({large, seed, narrow}, 1, 1);
  net.values.back().wanted = true;
  return net;
}

std::vector<Kind> KindsAdded(const PlannedNet& planned) {
  std::vector<Kind> kinds;
  for (const AddedOp& added : planned.added) kinds.push_back(added.kind);
  return kinds;
}

TEST(ShrinkPeak, ComputesAgainWhatIsCheapToMake) {
  const TaskNet net = UsedTwice(1);
  const auto planned = CompileNet(net, NetObjective::ForModels(), {});
  ASSERT_TRUE(planned) << Describe(planned.error());
  ASSERT_TRUE(planned->net);
  EXPECT_EQ(KindsAdded(*planned), std::vector<Kind>{Kind::kRecompute});
  EXPECT_EQ(planned->added[0].value, NetValueId(1));
  EXPECT_EQ(planned->added[0].before, NetOpId(6));
  EXPECT_LE(planned->peaks[0].value, 210u);
  EXPECT_EQ(planned->simulation.makespan, 8);
  EXPECT_FALSE(TimingOracle(*planned->net, planned->plan).FindsHarm(20, 1));
}

TEST(ShrinkPeak, SpillsWhatIsDearToMake) {
  const TaskNet net = UsedTwice(50);
  const auto planned = CompileNet(net, NetObjective::ForModels(), {});
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_THAT(KindsAdded(*planned), testing::UnorderedElementsAre(Kind::kSpill, Kind::kFetch));
  EXPECT_LE(planned->peaks[0].value, 210u);
  EXPECT_EQ(planned->peaks[1].value, 100u);
  EXPECT_EQ(planned->moved_bytes, 200u);
  EXPECT_FALSE(TimingOracle(*planned->net, planned->plan).FindsHarm(20, 1));
}

TEST(ShrinkPeak, LeavesWhatFitsAlone) {
  TaskNet net = UsedTwice(1);
  net.memories[0].budget_bytes = 400;
  const auto planned = CompileNet(net, NetObjective::ForModels(), {});
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_FALSE(planned->net);
  EXPECT_TRUE(planned->added.empty());
}

NetDraft ProgramDraft(const TaskNet& net) { return {ProgramOrder(net), FirstPlaces(net), {}}; }

TEST(ShrinkPeak, SaysWhatNoOrderCanDoWithout) {
  TaskNet net = UsedTwice(1);
  net.memories[0].budget_bytes = 200;  // two large values are there at once
  const ShrunkNet shrunk = ShrinkPeak(net, ProgramDraft(net), {});
  EXPECT_TRUE(shrunk.fits);
  EXPECT_EQ(shrunk.peaks[0].value, 200u);
  EXPECT_TRUE(shrunk.peaks[0].optimal());
  EXPECT_EQ(shrunk.peaks[1].lower_bound, 0u);
}

// A second memory with as much room as anyone wants, or little of it.
TaskNet WithLink(TaskNet net, uint64_t room) {
  const MemoryId disk = MemoryId(net.memories.size());
  net.memories.push_back({"DISK", room, 8});
  const PlaceId out = PlaceId(net.places.size()), back = PlaceId(net.places.size() + 1);
  net.places.push_back({"out", MemoryId(0), false});
  net.places.push_back({"back", disk, false});
  net.links = {{MemoryId(0), disk, out, back, 0.5, 8}};
  return net;
}

uint64_t Excess(const TaskNet& net, const std::vector<Bounded>& peaks) {
  uint64_t excess = 0;
  for (size_t i = 0; i < peaks.size(); ++i) {
    const uint64_t budget = net.memories[i].budget_bytes;
    excess += peaks[i].value - std::min(peaks[i].value, budget);
  }
  return excess;
}

// Of random nets with less and less memory: what is said to fit does, is right, and does no harm in
// any timing; nothing becomes worse than it was.
TEST(ShrinkPeak, MakesRightPlansOfRandomNets) {
  uint64_t shrunken = 0, fitting = 0, kinds[3] = {};
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const RandomNetShape shape{.ops = 14,
                               .places = 1 + static_cast<uint32_t>(seed % 3),
                               .loops = seed % 4 == 0,
                               .arms = seed % 5 == 0,
                               .density = 0.1 + 0.05 * static_cast<double>(seed % 4)};
    TaskNet net = RandomNet(shape, seed).Take();
    if (seed % 2 == 0) net = WithLink(std::move(net), seed % 3 == 0 ? 64 : 4096);
    NetPlan plan;
    const NetDraft draft = ProgramDraft(net);
    const uint64_t whole =
        PlaceNetBuffers(net, draft.order, draft.place_of, Sharing::kAll, plan)[0].value;
    for (uint64_t budget = whole; budget + 8 > whole / 2 && budget >= 8; budget -= 8) {
      net.memories[0].budget_bytes = budget;
      const std::vector<Bounded> before =
          PlaceNetBuffers(net, draft.order, draft.place_of, Sharing::kAll, plan);
      const ShrunkNet shrunk = ShrinkPeak(net, draft, {});
      ASSERT_EQ(shrunk.fits, Excess(net, shrunk.peaks) == 0);
      EXPECT_LE(Excess(net, shrunk.peaks), Excess(net, before)) << seed << " " << budget;
      for (const Bounded& peak : shrunk.peaks) EXPECT_GE(peak.value, peak.lower_bound);
      if (shrunk.added.empty()) continue;
      ++shrunken;
      for (const AddedOp& added : shrunk.added) ++kinds[static_cast<size_t>(added.kind)];
      if (!shrunk.fits) continue;
      ++fitting;
      const auto planned = PlanInOrder(shrunk.net, shrunk.draft);
      ASSERT_TRUE(planned) << Describe(planned.error()) << " " << seed << " " << budget;
      const TaskNet whole_net = planned->net.value_or(shrunk.net);
      EXPECT_FALSE(TimingOracle(whole_net, planned->plan).FindsHarm(4, seed)) << seed;
    }
  }
  EXPECT_GT(fitting, 100u);
  EXPECT_GT(shrunken, fitting);
  for (const uint64_t kind : kinds) EXPECT_GT(kind, 50u);
}

// Memory below what any order was found to need is often enough, and never overfilled.
TEST(ShrinkPeak, LetsCompileNetDoWithLess) {
  uint64_t with_less = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    TaskNet net = WithLink(RandomNet({.ops = 10, .places = 2}, seed).Take(), 4096);
    const auto free = CompileNet(net, {{NetObjective::Term::kPeak}}, {});
    ASSERT_TRUE(free) << Describe(free.error());
    uint64_t least = free->peaks[0].value;
    for (; least >= 8; least -= 8) {
      net.memories[0].budget_bytes = least - 8;
      const auto planned = CompileNet(net, {{NetObjective::Term::kPeak}}, {});
      if (!planned) {
        EXPECT_EQ(planned.error().key, "BUDGET_INFEASIBLE");
        break;
      }
      EXPECT_LE(planned->peaks[0].value, least - 8);
      with_less += planned->net.has_value();
      EXPECT_TRUE(CheckNetPlan(planned->net ? *planned->net : net, planned->plan));
    }
  }
  EXPECT_GT(with_less, 30u);
}

TEST(ShrinkPeak, EndsWhenTheTimeIsOver) {
  TaskNet net = WithLink(RandomNet({.ops = 200, .places = 2, .density = 0.02}, 1).Take(), 4096);
  net.memories[0].budget_bytes = 64;
  const NetDraft draft = ProgramDraft(net);
  const SearchLimits none{.effort = Effort::kExact, .deadline = SearchLimits::Clock::now()};
  EXPECT_TRUE(ShrinkPeak(net, draft, none).added.empty());
}

}  // namespace
}  // namespace tinyai
