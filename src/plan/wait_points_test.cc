#include "plan/wait_points.h"

#include "gtest/gtest.h"
#include "plan/draft_net.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

uint64_t SyncsOf(const TaskNet& net, const NetDraft& draft) {
  const Result<PlannedNet> planned = PlanInOrder(net, draft);
  EXPECT_TRUE(planned) << Describe(planned.error());
  return planned ? planned->plan.syncs() : 0;
}

TaskNet WithoutArms(TaskNet net) {
  // Conditions decide on ops all the same.
  const std::vector<NetNeed> needs = Needs(net);
  for (const NetNeed& need : needs) {
    net.orders.push_back({need.earlier, need.later, NetOrder::Kind::kUser, 0});
  }
  for (NetOp& op : net.ops) op.region = {};
  net.regions.resize(1);
  return net;
}

// The plan of the draft's own order has as many syncs as if there were no arms, and no timing with
// any arms taken harms it.
TEST(WaitForAllArms, TakesAsManySyncsAsWithoutArms) {
  uint64_t points = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    const RandomNetShape shape{.ops = 14,
                               .places = 2 + static_cast<uint32_t>(seed % 3),
                               .arms = true,
                               .density = 0.1 + 0.05 * static_cast<double>(seed % 4)};
    TaskNet net = RandomNet(shape, seed).Take();
    for (NetValue& value : net.values) value.bytes = 0;  // memory that is shared makes more syncs
    for (NetOp& op : net.ops) {
      for (NetChoice& choice : op.choices) choice.workspace_bytes = 0;
    }
    const NetDraft draft{OrderLikeProgram(net, Needs(net)), OnlyPlaces(net), {}};
    const PointedDraft pointed = WaitForAllArms(net, Needs(net), draft);
    EXPECT_EQ(pointed.draft.order.size(), pointed.net.ops.size());
    points += pointed.net.ops.size() - net.ops.size();
    EXPECT_EQ(SyncsOf(net, draft), SyncsOf(WithoutArms(net), draft)) << seed;
  }
  EXPECT_GT(points, 100u);
}

// c is computed at place 0, and both arms are at place 1: c has to be known in front of them.
TEST(WaitForAllArms, ConditionsAreKnownInFrontOfTheirArms) {
  TaskNet net;
  net.memories = {{"RAM"}};
  net.places = {{"P0", {}, true}, {"P1"}};
  net.regions = {
      {"all", {}, {}, true}, {"c", {}, NetValueId(0), true}, {"c", {}, NetValueId(0), false}};
  for (const size_t region : {0, 1, 2}) {
    net.values.push_back({.name = "v", .bytes = 8});
    net.ops.push_back({.name = "o",
                       .outs = {NetValueId(region)},
                       .choices = {{PlaceId(region == 0 ? 0 : 1), 1, 0}},
                       .region = RegionId(region)});
  }
  const NetDraft draft{InOrder(net), OnlyPlaces(net), {}};
  const PointedDraft pointed = WaitForAllArms(net, Needs(net), draft);
  ASSERT_EQ(pointed.net.ops.size(), 4u);
  EXPECT_EQ(pointed.net.ops.back().region, RegionId{});
  EXPECT_EQ(pointed.draft.order[1], NetOpId(3));
  Result<PlannedNet> planned = PlanInOrder(net, draft);
  ASSERT_TRUE(planned) << Describe(planned.error());
  EXPECT_EQ(planned->plan.syncs(), 1u);
  // In the arm it would come too late.
  std::vector<NetCommand>& queue = planned->plan.queues[1];
  std::swap(queue[0].syncs, queue[1].syncs);
  EXPECT_EQ(CheckNetPlan(*planned->net, planned->plan).error().key, "PLAN_INVALID");
}

}  // namespace
}  // namespace tinyai
