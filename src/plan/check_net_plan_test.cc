#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "plan/compile_net.h"
#include "plan/net_test_support.h"

namespace tinyai {
namespace {

std::vector<RandomNetShape> Shapes() {
  std::vector<RandomNetShape> shapes;
  for (const bool loops : {false, true}) {
    for (const bool arms : {false, true}) {
      for (const uint32_t places : {1u, 2u, 3u, 4u}) {
        shapes.push_back({.ops = 12, .places = places, .loops = loops, .arms = arms});
        shapes.push_back(
            {.ops = 8, .places = places, .loops = loops, .arms = arms, .density = 0.12});
      }
    }
  }
  return shapes;
}

void ForEachPlan(uint32_t count, const std::function<void(const TaskNet&, const NetPlan&)>& check) {
  for (const RandomNetShape& shape : Shapes()) {
    for (uint64_t seed = 0; seed < count; ++seed) {
      const TaskNet net = RandomNet(shape, seed).Take();
      const Status valid = CheckNet(net);
      ASSERT_TRUE(valid) << Describe(valid.error());
      const Result<PlannedNet> planned =
          PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}});
      ASSERT_TRUE(planned) << Describe(planned.error()) << "\nplaces " << shape.places << ", loops "
                           << shape.loops << ", arms " << shape.arms << ", seed " << seed;
      SCOPED_TRACE(fmt::format("places {}, loops {}, arms {}, ops {}, seed {}", shape.places,
                               shape.loops, shape.arms, shape.ops, seed));
      check(planned->net.value_or(net), planned->plan);
    }
  }
}

TEST(CheckNetPlan, AcceptsWhatThePassesMakeAndNoTimingHarmsIt) {
  ForEachPlan(120, [](const TaskNet& net, const NetPlan& plan) {
    EXPECT_FALSE(TimingOracle(net, plan).FindsHarm(16, 1));
  });
}

// Every sync is needed: the derivation is a transitive reduction.
TEST(CheckNetPlan, FindsEverySyncThatIsMissing) {
  uint64_t syncs = 0;
  ForEachPlan(20, [&](const TaskNet& net, const NetPlan& plan) {
    for (size_t place = 0; place < plan.queues.size(); ++place) {
      for (size_t at = 0; at < plan.queues[place].size(); ++at) {
        for (size_t i = 0; i < plan.queues[place][at].syncs.size(); ++i) {
          NetPlan damaged = plan;
          auto& list = damaged.queues[place][at].syncs;
          list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
          EXPECT_FALSE(CheckNetPlan(net, damaged));
          ++syncs;
        }
      }
    }
  });
  EXPECT_GT(syncs, 1000u);
}

// One random change somewhere; whatever the oracle finds harmful, the checker has to find too.
NetPlan Damage(const TaskNet& net, const NetPlan& plan, std::mt19937_64& random) {
  NetPlan out = plan;
  auto& queue = out.queues[random() % out.queues.size()];
  switch (random() % 8) {
    case 0:
      if (queue.size() > 1)
        std::swap(queue[random() % queue.size()], queue[random() % queue.size()]);
      break;
    case 1:
      if (queue.size() > 1) {
        const size_t at = random() % (queue.size() - 1);
        std::swap(queue[at], queue[at + 1]);
      }
      break;
    case 2:
      if (!out.fences.empty()) {
        NetFence& fence = out.fences[random() % out.fences.size()];
        const size_t size = out.queues[Index(fence.place)].size();
        fence.command = static_cast<uint32_t>(random() % size);
      }
      break;
    case 3:
    case 4: {
      NetBuffer& buffer = out.value_buffers[random() % out.value_buffers.size()];
      const uint64_t room = out.heights[0] - std::min(out.heights[0], buffer.bytes);
      buffer.offset = random() % (room / 8 + 1) * 8;
      break;
    }
    case 5: {
      NetBuffer& buffer = out.workspaces[random() % out.workspaces.size()];
      const uint64_t room = out.heights[0] - std::min(out.heights[0], buffer.bytes);
      buffer.offset = random() % (room / 8 + 1) * 8;
      break;
    }
    case 6:
      for (NetCommand& command : queue) {
        if (command.syncs.empty() || random() % 2 == 0) continue;
        NetSync& sync = command.syncs[random() % command.syncs.size()];
        if (net.loops && random() % 2 == 0) {
          sync.distance += 1;
        } else {
          sync.fence = static_cast<uint32_t>(random() % out.fences.size());
        }
        break;
      }
      break;
    default:
      if (queue.size() > 1) {
        const size_t from = random() % queue.size();
        NetCommand moved = queue[from];
        queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(from));
        queue.insert(queue.begin() + static_cast<std::ptrdiff_t>(random() % (queue.size() + 1)),
                     moved);
      }
  }
  return out;
}

TEST(CheckNetPlan, FindsEveryHarmfulDamage) {
  std::mt19937_64 random(5);
  uint64_t harmful = 0, refused = 0, damaged = 0;
  ForEachPlan(20, [&](const TaskNet& net, const NetPlan& plan) {
    for (int i = 0; i < 25; ++i) {
      const NetPlan other = Damage(net, plan, random);
      const bool accepted = CheckNetPlan(net, other).has_value();
      const bool harm = TimingOracle(net, other).FindsHarm(6, random());
      EXPECT_FALSE(accepted && harm);
      ++damaged;
      harmful += harm;
      refused += !accepted;
    }
  });
  EXPECT_GT(harmful, damaged / 5);
  EXPECT_GE(refused, harmful);
}

TEST(CheckNetPlan, RefusesIdsThatDoNotExist) {
  const TaskNet net = RandomNet({.places = 2}, 3).Take();
  const NetPlan plan = PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}})->plan;
  NetPlan other = plan;
  other.queues[0][0].op = NetOpId(99);
  EXPECT_EQ(CheckNetPlan(net, other).error().key, "PLAN_INVALID");
  other = plan;
  other.queues[0][0].syncs.push_back({1000, 0});
  EXPECT_FALSE(CheckNetPlan(net, other));
  other = plan;
  other.queues.pop_back();
  EXPECT_FALSE(CheckNetPlan(net, other));
  other = plan;
  other.value_buffers.pop_back();
  EXPECT_FALSE(CheckNetPlan(net, other));
  other = plan;
  other.value_buffers.back().memory = MemoryId(7);
  EXPECT_FALSE(CheckNetPlan(net, other));
  other = plan;
  other.value_buffers.back().offset = ~uint64_t{0};
  EXPECT_FALSE(CheckNetPlan(net, other));
  other = plan;
  other.fences.push_back({PlaceId(5), 0});
  other.queues[0][0].syncs.push_back({static_cast<uint32_t>(other.fences.size() - 1), 0});
  EXPECT_FALSE(CheckNetPlan(net, other));
}

// x; if (x) { a } else { b }; merged = a or b, by x.
TaskNet MergingNet() {
  TaskNet net;
  net.memories = {{"RAM", ~uint64_t{0}, 1}};
  net.places = {{"CPU", {}, true}};
  net.regions = {
      {"all", {}, {}, true}, {"x", {}, NetValueId(0), true}, {"x", {}, NetValueId(0), false}};
  const auto add = [&](const char* name, NetOperands ins, uint32_t region) {
    NetOp op{.name = name, .ins = std::move(ins), .outs = {NetValueId(net.values.size())}};
    op.choices = {{PlaceId(0), 1e-6}};
    op.region = RegionId(region);
    net.ops.push_back(std::move(op));
    net.values.push_back({.name = name, .bytes = 1});
  };
  add("x", {}, 0);
  add("a", {NetValueId(0)}, 1);
  add("b", {NetValueId(0)}, 2);
  add("merged", {NetValueId(0), NetValueId(1), NetValueId(2)}, 0);
  net.ops.back().merges = true;
  return net;
}

TEST(CheckNetPlan, LetsOnlyTheMergesOfAnIfSeeIntoItsArms) {
  const TaskNet net = MergingNet();
  const Result<PlannedNet> planned = PlanInOrder(net, {ProgramOrder(net), FirstPlaces(net), {}});
  ASSERT_TRUE(planned) << Describe(planned.error());
  const auto refused = [&](const std::function<void(NetOp&)>& change) {
    TaskNet changed = planned->net.value_or(net);
    change(changed.ops[net.ops.size() - 1]);
    const Status status = CheckNetPlan(changed, planned->plan);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, testing::HasSubstr("V12"));
  };
  refused([](NetOp& op) { op.merges = false; });
  refused([](NetOp& op) { op.ins.pop_back(); });             // nothing where the other arm is taken
  refused([](NetOp& op) { op.ins.erase(op.ins.begin()); });  // it does not know which arm was
}

}  // namespace
}  // namespace tinyai
