#include <sys/resource.h>

#include <csignal>

#include "engine/forward_nets.h"
#include "engine/forward_plan.h"
#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

TEST(ForwardSpill, SpillsWhatDoesNotFit) {
  const auto net = LateReaderNet();
  const std::vector<std::vector<float>> inputs = {RandomInput(2 * 32 * 32)};
  const NetRun kept = RunNet(*net, {.mode = PlanMode::kMemoryOptimised}, inputs);
  ASSERT_FALSE(kept.error) << Describe(*kept.error);
  EXPECT_EQ(kept.scratch_bytes, 0u);
  ForwardOptions options{.mode = PlanMode::kMemoryOptimised,
                         .memory_bytes = kept.peak_bytes - kLateBytes / 2};
  EXPECT_TRUE(RunNet(*net, options, inputs).error);
  options.spill = true;
  for (const uint64_t batch : {1, 3}) {
    const std::vector<std::vector<float>> batched = {RandomInput(batch * 2 * 32 * 32)};
    const NetRun whole =
        RunNet(*net, {.mode = PlanMode::kMemoryOptimised, .batch = batch}, batched);
    options.batch = batch;
    options.memory_bytes = whole.peak_bytes - batch * kLateBytes / 2;
    const NetRun spilled = RunNet(*net, options, batched);
    ASSERT_FALSE(spilled.error) << Describe(*spilled.error);
    EXPECT_LE(spilled.peak_bytes, options.memory_bytes);
    EXPECT_EQ(spilled.peak_bytes, spilled.planned_bytes);
    EXPECT_EQ(spilled.scratch_bytes, batch * kLateBytes);
    EXPECT_EQ(spilled.spilled_bytes, batch * kLateBytes);
    EXPECT_EQ(spilled.recompute_ratio, 1);
    EXPECT_EQ(spilled.outputs, whole.outputs);
  }
  const NetRun asked = RunNet(*net, {.mode = PlanMode::kMemoryOptimised, .spilled = {0}}, inputs);
  ASSERT_FALSE(asked.error) << Describe(*asked.error);
  EXPECT_EQ(asked.outputs, kept.outputs);
  EXPECT_EQ(asked.spilled_bytes, kLateBytes);
}

TEST(ForwardSpill, SpillsOrComputesAgainWhateverTakesLessTime) {
  for (const bool slow_disk : {false, true}) {
    const auto net = LateReaderNet(4);
    Machine machine = NetMachine();
    machine.rates.compute_macs_per_second = 1e9;
    machine.rates.spill_bytes_per_second = slow_disk ? 1e6 : 1e9;
    const auto least = PlanForward(net->model(), {.mode = PlanMode::kMemoryOptimised}, machine);
    ASSERT_TRUE(least) << Describe(least.error());
    ForwardOptions options{.mode = PlanMode::kMemoryOptimised,
                           .memory_bytes = least->peak_bytes() - kLateBytes / 2,
                           .recompute = true,
                           .spill = true};
    const auto plan = PlanForward(net->model(), options, machine);
    ASSERT_TRUE(plan) << Describe(plan.error());
    EXPECT_EQ(plan->plan.scratch_bytes == 0, slow_disk);
    EXPECT_EQ(plan->recompute_ratio > 1, slow_disk);
  }
}

// While it exists the disk takes no bytes.
class FullDisk {
 public:
  FullDisk() {
    before_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &limit_);
    const rlimit none{0, limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &none);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &limit_);
    std::signal(SIGXFSZ, before_);
  }

 private:
  rlimit limit_ = {};
  void (*before_)(int) = nullptr;
};

TEST(ForwardSpill, GoesOnAfterAScratchFileThatCouldNotBeWrittenOrRead) {
  const auto net = LateReaderNet();
  const std::vector<float> input = RandomInput(2 * 32 * 32);
  const float* const inputs[] = {input.data()};
  auto plan =
      PlanForward(net->model(), {.mode = PlanMode::kMemoryOptimised, .spilled = {0}}, NetMachine());
  ASSERT_TRUE(plan) << Describe(plan.error());
  Budget process{"test", Budget::kUnlimited};
  auto pass = ForwardPass::Open(net->model(), std::move(*plan), process);
  ASSERT_TRUE(pass) << Describe(pass.error());
  const auto run = [&] {
    const Status began = (*pass)->Begin(1);
    return began ? (*pass)->RunAll(inputs) : began;
  };
  const auto sum = [&] { return Copy(*(*pass)->Output(4)); };
  ASSERT_TRUE(run());
  const std::vector<float> expected = sum();
  for (int layers = 0; layers < 4; ++layers) {  // passes that are given up leave nothing behind
    ASSERT_TRUE((*pass)->Begin(1));
    for (int i = 0; i < layers; ++i) ASSERT_TRUE((*pass)->RunNext(inputs));
    ASSERT_TRUE(run());
    EXPECT_EQ(sum(), expected) << layers;
  }
  {
    const FullDisk full;
    const Status failed = run();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().key, "IO_WRITE") << Describe(failed.error());
  }
  const Status again = run();
  ASSERT_TRUE(again) << Describe(again.error());
  EXPECT_EQ(sum(), expected);
  {
    FaultyCalls faulty;
    faulty.on_read = [](uint64_t, int64_t) { return -EIO; };
    const ReplacedSystemCalls replaced(faulty);
    const Status failed = run();
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().key, "IO_READ") << Describe(failed.error());
  }
  const Status last = run();
  ASSERT_TRUE(last) << Describe(last.error());
  EXPECT_EQ(sum(), expected);
}

}  // namespace
}  // namespace tinyai
