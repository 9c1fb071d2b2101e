#include "run/device_queue.h"

#include <chrono>
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "plan/device_test_support.h"
#include "run/run_test_support.h"

// Plans with some layers on a device, carried out by a thread that stands for it.
namespace tinyai {
namespace {

const std::vector<int32_t> kPrompt = {1, 300, 17, 44, 5, 210, 99, 400, 7};

Plan PlanWith(const ModelWishes& wishes, const TestPlan& wanted) {
  const Graph& graph = TheModel().graph;
  PlanRequest request = RequestFor(wanted);
  request.wishes = &wishes;
  request.device = kTestDevice;
  return PlanOf(graph, request, wanted.memory);
}

// Held up at random before some steps, so that each queue is at times far behind the other.
std::function<void(uint32_t)> RandomDelays(uint64_t seed) {
  return [seed](uint32_t queue) {
    thread_local std::mt19937_64 random(seed * 977 + queue +
                                        std::hash<std::thread::id>()(std::this_thread::get_id()));
    if (random() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
  };
}

Result<std::vector<float>> Logits(Plan plan, uint64_t seed) {
  TestRun run(std::move(plan), {.seed = seed}, {.seed = seed}, {.before_step = RandomDelays(seed)});
  return run.Feed(kPrompt);
}

TEST(DeviceQueue, GivesTheCpusBitsWhereverTheLayersAre) {
  const Graph& graph = TheModel().graph;
  const auto alone = Logits(MakePlan({.memory = Memory::kAll}), 0);
  ASSERT_TRUE(alone) << Describe(alone.error());
  uint64_t seed = 1;
  for (const std::vector<std::string>& there : std::vector<std::vector<std::string>>{
           {"blk.1"},
           {"blk.0"},
           {"blk"},
           {"blk.0.ffn", "blk.1.attn", "blk.1.rope", "blk.1.store"},
           {"blk.0.ffn_up", "blk.0.ffn_down", "blk.1.ffn_gate"},
           {"blk.1", "output"},
           {"output"}}) {
    const ModelWishes wishes = OnDevice(graph, there);
    for (const Memory memory : {Memory::kLeast, Memory::kHalf, Memory::kAll}) {
      for (const uint64_t chunk : {1u, 4u}) {
        const Plan plan = PlanWith(wishes, {.memory = memory, .workers = 2, .chunk = chunk});
        ASSERT_TRUE(plan.device);
        EXPECT_GT(plan.queues[kDeviceQueue].steps.size(), 1u);
        const auto logits = Logits(plan, ++seed);
        ASSERT_TRUE(logits) << Describe(logits.error());
        EXPECT_EQ(*logits, *alone) << there[0] << ' ' << static_cast<int>(memory) << ' ' << chunk;
      }
    }
  }
}

}  // namespace
}  // namespace tinyai
