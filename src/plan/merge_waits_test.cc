#include "gtest/gtest.h"
#include "plan/compile_net.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

// Slices read by place 1 through a ring of four slots and used by place 0, over and over.
TaskNet RingNet(uint32_t slices, double load_seconds) {
  constexpr uint32_t kSlots = 4;
  TaskNet net;
  net.memories = {{"RAM", 10'000, 1, kSlots * 64}};
  net.places = {{"CPU"}, {"DISK"}};
  net.regions = {{"all"}};
  net.loops = true;
  for (uint32_t i = 0; i < slices; ++i) {
    const NetValueId slice{2 * i}, result{2 * i + 1};
    net.values.push_back({.name = "slice", .bytes = 64, .offset = i % kSlots * 64});
    net.values.push_back({.name = "result", .bytes = 8});
    net.ops.push_back({.name = "load",
                       .outs = {slice},
                       .choices = {{PlaceId(1), load_seconds}},
                       .moved_bytes = 64});
    net.ops.push_back(
        {.name = "use", .ins = {slice}, .outs = {result}, .choices = {{PlaceId(0), 1}}});
  }
  return net;
}

std::vector<SyncPoint> CurveOf(const TaskNet& net) {
  const NetDraft draft{InOrder(net), OnlyPlaces(net), {}};
  const Result<PlannedNet> planned = PlanInOrder(net, draft);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return SyncCurve(net, draft, *planned);
}

TEST(MergeWaits, HalfARingAtATimeWaitsLessOften) {
  const std::vector<SyncPoint> curve = CurveOf(RingNet(64, 4));
  ASSERT_GE(curve.size(), 2u);
  EXPECT_EQ(curve[0].syncs, 128u);  // before each use, and before each load
  EXPECT_LE(curve[1].syncs, 64u);
  EXPECT_NEAR(curve[1].makespan, curve[0].makespan, 1e-9);
}

// As a model whose last block is on a device: what it makes is taken back for the logits only, and
// both memories are written again in the next pass.
TEST(MergeWaits, AFenceInARegionStandsForThoseBeforeIt) {
  TaskNet net;
  net.memories = {{"RAM", 10'000, 1, 128}};
  net.places = {{"CPU"}, {"GPU"}};
  net.regions = {{"all"}, {"logits"}};
  net.loops = true;
  const auto add = [&](const char* name, NetOperands ins, uint32_t place, NetValue out) {
    net.values.push_back(std::move(out));
    const NetValueId id{static_cast<uint32_t>(net.values.size() - 1)};
    net.ops.push_back(
        {.name = name, .ins = std::move(ins), .outs = {id}, .choices = {{PlaceId(place), 1}}});
    return id;
  };
  const NetValueId embedded = add("embed", {}, 0, {.name = "x", .bytes = 64, .offset = 0});
  const NetValueId normed = add("norm", {embedded}, 0, {.name = "n", .bytes = 64, .offset = 64});
  const NetValueId there = add("move there", {embedded, normed}, 1, {.name = "x there"});
  const NetValueId block = add("block", {there}, 1, {.name = "y"});
  const NetValueId back =
      add("move back", {block}, 1, {.name = "y back", .bytes = 64, .offset = 64});
  net.ops.back().region = RegionId(1);
  add("logits", {back}, 0, {.name = "z"});
  net.ops.back().region = RegionId(1);
  const std::vector<SyncPoint> curve = CurveOf(net);
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve[0].syncs, 4u);
  EXPECT_EQ(curve[1].syncs, 3u);
  EXPECT_NEAR(curve[1].makespan, curve[0].makespan, 1e-9);
}

TEST(MergeWaits, CurvesGoDownInSyncsAndUpInTime) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const TaskNet net =
        RandomNet({.ops = 14, .places = 3, .loops = true, .density = 0.2}, seed).Take();
    const std::vector<SyncPoint> curve = CurveOf(net);
    ASSERT_FALSE(curve.empty());
    for (size_t i = 1; i < curve.size(); ++i) {
      EXPECT_LT(curve[i].syncs, curve[i - 1].syncs) << "seed " << seed;
      EXPECT_GE(curve[i].makespan, curve[i - 1].makespan * (1 - 1e-5)) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace tinyai
