#include "plan/task_net.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "plan/compile_net.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

using testing::HasSubstr;

// a -> b -> c on one place, each value of 40 bytes.
TaskNet Chain() {
  TaskNet net;
  net.memories = {{"RAM", 1000, 1}};
  net.places = {{"CPU", {}, true}};
  net.regions = {{"all"}};
  for (const char* name : {"a", "b", "c"}) {
    NetOp op{.name = name, .choices = {{PlaceId(0), 1}}};
    if (!net.values.empty()) op.ins = {NetValueId(net.values.size() - 1)};
    op.outs = {NetValueId(net.values.size())};
    net.values.push_back({.name = std::string(name) + "'", .bytes = 40});
    net.ops.push_back(op);
  }
  return net;
}

Error ErrorOf(const TaskNet& net) {
  const Status status = CheckNet(net);
  EXPECT_FALSE(status);
  return status ? Error{} : status.error();
}

TEST(CheckNet, AcceptsAChainAndAnEmptyNet) {
  EXPECT_TRUE(CheckNet(Chain()));
  TaskNet empty;
  empty.memories = {{"RAM"}};
  empty.places = {{"CPU"}};
  empty.regions = {{"all"}};
  EXPECT_TRUE(CheckNet(empty));
  EXPECT_TRUE(PlanInOrder(empty, {}));
}

TEST(CheckNet, NamesTheCycle) {
  TaskNet net = Chain();
  net.orders.push_back({NetOpId(2), NetOpId(0)});
  EXPECT_EQ(ErrorOf(net).key, "NET_INVALID");
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("a -> b -> c -> a"));
}

TEST(CheckNet, NamesWhatIsMissing) {
  TaskNet net = Chain();
  net.values.push_back({.name = "lost", .bytes = 1});
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("lost is made by no op"));
  net = Chain();
  net.ops[2].outs = net.ops[1].outs;
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("b' is made twice"));
  net = Chain();
  net.ops[1].choices.clear();
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("op b has no place"));
  net = Chain();
  net.ops[1].ins = {NetValueId(77)};
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("op b"));
}

TEST(CheckNet, RefusesCostsThatAreNone) {
  for (const double seconds : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    TaskNet net = Chain();
    net.ops[1].choices[0].seconds = seconds;
    EXPECT_EQ(ErrorOf(net).key, "COST_MODEL");
    EXPECT_THAT(ErrorOf(net).message, HasSubstr("'b' on CPU"));
  }
}

TEST(CheckNet, RefusesLinksThatNoOpCanBeMadeFrom) {
  TaskNet net = Chain();
  net.memories.push_back({"DISK"});
  net.places.push_back({"DISK.in", MemoryId(1), false});
  const NetLink good{MemoryId(0), MemoryId(1), PlaceId(0), PlaceId(1), 0.1, 1e9};
  net.links = {good};
  EXPECT_TRUE(CheckNet(net));
  net.links[0].to = MemoryId(9);
  EXPECT_EQ(ErrorOf(net).key, "NET_INVALID");
  net.links = {good};
  net.memories.push_back({"VRAM"});
  net.places.push_back({"GPU", MemoryId(2), false});
  net.links[0].back = PlaceId(2);
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("link RAM -> DISK"));
  for (const double rate : {0.0, -1.0, std::nan("")}) {
    net.links = {good};
    net.links[0].bytes_per_second = rate;
    EXPECT_EQ(ErrorOf(net).key, "COST_MODEL");
  }
}

TEST(CheckNet, RefusesSizesThatCannotBeAddedUp) {
  TaskNet net = Chain();
  net.values[0].bytes = net.values[1].bytes = uint64_t{1} << 63;
  EXPECT_EQ(ErrorOf(net).key, "NET_INVALID");
}

TEST(CheckNet, NamesTheOpAndTheBytesBelowTheFloor) {
  TaskNet net = Chain();
  net.ops[1].choices[0].workspace_bytes = 7;
  net.memories[0].budget_bytes = 86;
  EXPECT_EQ(ErrorOf(net).key, "BUDGET_INFEASIBLE");
  EXPECT_EQ(ErrorOf(net).code, ErrorCode::kBudget);
  EXPECT_THAT(ErrorOf(net).message, HasSubstr("at least 87 bytes on CPU at 'b'"));
  net.memories[0].budget_bytes = 87;
  EXPECT_TRUE(CheckNet(net));
}

// The order needs more than any single op does.
TEST(PlanInOrder, RefusesWhatDoesNotFitTheBudget) {
  TaskNet net = Chain();
  net.values[0].wanted = true;
  net.memories[0].budget_bytes = 119;
  const Result<PlannedNet> planned = PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}});
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().key, "BUDGET_INFEASIBLE");
  EXPECT_THAT(planned.error().message, HasSubstr("need=120"));
}

}  // namespace
}  // namespace tinyai
