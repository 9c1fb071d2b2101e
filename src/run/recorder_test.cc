#include "run/recorder.h"

#include "gtest/gtest.h"
#include "run/run_test_support.h"

namespace tinyai {
namespace {

Plan PlanWithSteps(size_t cpu, size_t disk) {
  Plan plan;
  plan.queues = {{"CPU", std::vector<Step>(cpu)}, {"DISK", std::vector<Step>(disk)}, {"rows", {}}};
  return plan;
}

std::vector<StepRecord> Records(const Recorder& recorder, uint32_t queue) {
  std::vector<StepRecord> out;
  recorder.Each(queue, [&](const StepRecord& record) { out.push_back(record); });
  return out;
}

TEST(Recorder, KeepsTheLastRecordsAndKnowsTheFirstWholePass) {
  Recorder recorder(PlanWithSteps(3, 1), 40 * sizeof(StepRecord));  // 30 and 10 of them
  EXPECT_EQ(recorder.first_pass(), 0u);
  for (uint32_t pass = 0; pass < 25; ++pass) {
    for (uint32_t step = 0; step < 3; ++step) recorder.Record(0, {.step = step, .pass = pass});
    recorder.Record(1, {.pass = pass});
  }
  const std::vector<StepRecord> cpu = Records(recorder, 0);
  ASSERT_EQ(cpu.size(), 30u);
  EXPECT_EQ(cpu.front().pass, 15u);
  EXPECT_EQ(cpu.back().pass, 24u);
  EXPECT_EQ(Records(recorder, 1).size(), 10u);
  EXPECT_EQ(recorder.first_pass(), 16u);
}

TEST(Recorder, WithoutAQueueOrWithoutRoomNothingIsKept) {
  Recorder recorder(PlanWithSteps(3, 1), 0);
  recorder.Record(0, {});
  recorder.Record(2, {});
  EXPECT_TRUE(Records(recorder, 0).empty());
  EXPECT_EQ(recorder.first_pass(), 0u);
}

// Of every pass each step once, in order, one after the other, and what `once` says only at first.
TEST(Recorder, HearsOfEveryStepOfARun) {
  for (const Memory memory : {Memory::kLeast, Memory::kHalf, Memory::kAll}) {
    TestRun run({.memory = memory, .workers = 2, .chunk = 1}, {.depth = 3, .seed = 5}, {},
                std::chrono::seconds(60), true);
    constexpr uint64_t kPasses = 3;
    for (uint64_t pass = 0; pass < kPasses; ++pass) ASSERT_TRUE(run.Feed({7}));
    run.executor.reset();
    EXPECT_EQ(run.recorder->first_pass(), 0u);
    for (uint32_t queue = 0; queue < run.plan.queues.size(); ++queue) {
      std::vector<std::pair<uint64_t, uint32_t>> heard, wanted;
      int64_t free_at = 0;
      for (const StepRecord& record : Records(*run.recorder, queue)) {
        EXPECT_GE(record.begin_ns, free_at);
        EXPECT_GE(record.end_ns, record.begin_ns);
        free_at = record.end_ns;
        if (record.pass < kPasses) heard.emplace_back(record.pass, record.step);
      }
      const std::vector<Step>& steps = run.plan.queues[queue].steps;
      for (uint64_t pass = 0; pass < kPasses; ++pass) {
        for (uint32_t step = 0; step < steps.size(); ++step) {
          const auto* load = std::get_if<step::Load>(&steps[step].work);
          if (load == nullptr || !load->once || pass == 0) wanted.emplace_back(pass, step);
        }
      }
      EXPECT_EQ(heard, wanted) << "queue " << queue;
    }
  }
}

}  // namespace
}  // namespace tinyai
