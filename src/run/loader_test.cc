#include "run/loader.h"

#include <thread>

#include "base/result.h"
#include "gtest/gtest.h"
#include "os/fake_read_queue.h"
#include "os/testing.h"

namespace tinyai {
namespace {

constexpr uint64_t kBlock = 512;
constexpr auto kLong = std::chrono::seconds(60);

// Two blocks that stay and a ring of one slot that blocks 2 to 4 of the file go through; block 4 is
// for logits only. CPU step i uses DISK step i.
Plan TinyPlan() {
  Plan plan;
  plan.io_alignment = kBlock;
  plan.queues = {{"CPU", std::vector<Step>(5)}, {"DISK", {}}, {"DISK.rows", {}}};
  for (uint32_t i = 0; i < 5; ++i) {
    const bool once = i < 2;
    Step step{step::Load{0, i * kBlock, kBlock, std::min(i, 2u) * kBlock, once}, {}, false, i == 4};
    plan.fences.push_back({"used", kCpuQueue, i});
    if (i == 2) step.syncs.push_back({FenceId{4}, 1});
    if (i > 2) step.syncs.push_back({FenceId{i - 1}, 0});
    plan.queues[kDiskQueue].steps.push_back(step);
  }
  return plan;
}

struct Running {
  explicit Running(FakeReadQueueOptions options = {})
      : plan(TinyPlan()),
        file(PatternBytes(5 * kBlock)),
        arena(3 * kBlock, '\0'),
        disk({file}, WithBlocks(std::move(options))),
        clocks(plan),
        loader(plan, {.ram = reinterpret_cast<std::byte*>(arena.data())}, disk, Clocks(), kLong),
        thread([this] { status = loader.Run(); }) {}
  ~Running() { Stop(); }
  const QueueClocks& Clocks() {
    for (const Timeline& worker : workers) clocks.Add(kCpuQueue, worker);
    return clocks;
  }
  static FakeReadQueueOptions WithBlocks(FakeReadQueueOptions options) {
    options.alignment = kBlock;
    return options;
  }

  void Stop() {
    loader.Stop();
    workers[0].Stop();
    workers[1].Stop();
    if (thread.joinable()) thread.join();
  }
  // DISK step `step` of `pass` has finished.
  bool Loaded(uint64_t pass, uint64_t step) {
    return loader.timeline().WaitFor(pass * 5 + step + 1, kLong);
  }
  // Both workers have finished so many CPU steps.
  void Finish(uint64_t steps) {
    for (Timeline& worker : workers) worker.Advance(steps);
  }
  std::string Block(uint64_t place) const { return arena.substr(place * kBlock, kBlock); }
  std::string FileBlock(uint64_t i) const { return file.substr(i * kBlock, kBlock); }

  Plan plan;
  std::string file, arena;
  FakeReadQueue disk;
  Timeline workers[2];
  QueueClocks clocks;
  Status status;
  Loader loader;
  std::thread thread;
};

TEST(Loader, ReadsAheadAsFarAsTheSyncsLetIt) {
  Running run;
  ASSERT_TRUE(run.Loaded(0, 2));  // before any pass is announced
  EXPECT_EQ(run.Block(0) + run.Block(1) + run.Block(2), run.file.substr(0, 3 * kBlock));
  EXPECT_FALSE(run.loader.timeline().WaitFor(4, std::chrono::milliseconds(20)));
  run.workers[0].Advance(3);  // one worker still uses the slot
  EXPECT_FALSE(run.loader.timeline().WaitFor(4, std::chrono::milliseconds(20)));
  run.workers[1].Advance(3);
  ASSERT_TRUE(run.Loaded(0, 3));
  EXPECT_EQ(run.Block(2), run.FileBlock(3));
}

TEST(Loader, ReadsWhatStaysOnceAndLeavesLogitsOutOfOtherPasses) {
  Running run;
  const std::vector<bool> wants = {true, false, false, true};
  uint64_t streamed = 0;
  for (uint64_t pass = 0; pass < wants.size(); ++pass) {
    run.loader.Announce(pass, wants[pass]);
    for (uint64_t step = 2; step < 5; ++step) {
      ASSERT_TRUE(run.Loaded(pass, step));
      const bool left_out = step == 4 && !wants[pass];
      streamed += left_out ? 0 : kBlock;
      EXPECT_EQ(run.Block(2), run.FileBlock(left_out ? 3 : step)) << "pass " << pass;
      EXPECT_EQ(run.loader.streamed_bytes(), streamed);
      if (step < 4) run.Finish(pass * 5 + step + 1);
    }
    if (pass + 1 < wants.size()) run.Finish((pass + 1) * 5);
  }
  EXPECT_EQ(run.loader.once_bytes(), 2 * kBlock);
}

TEST(Loader, EndsWithTheErrorOfARead) {
  for (uint64_t k = 0; k < 3; ++k) {
    Running run({.failures = {{k, {ErrorCode::kIo, "IO_READ", "broken"}}}});
    run.thread.join();
    ASSERT_FALSE(run.status);
    EXPECT_EQ(run.status.error().key, "IO_READ");
    EXPECT_LE(run.loader.timeline().value(), k);
  }
}

TEST(Loader, StopsWhileItWaitsForTheDiskTheWorkersOrTheNextPass) {
  for (const bool slow : {true, false}) {
    Running run({.delay = slow ? std::chrono::seconds(30) : std::chrono::seconds(0)});
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    run.Stop();
    ASSERT_FALSE(run.status);
    EXPECT_EQ(run.status.error().key, "CANCELLED");
  }
  Running run;
  run.loader.Announce(0, true);
  run.Finish(5);
  ASSERT_TRUE(run.Loaded(1, 2));  // and then nothing: pass 1 is not announced
  run.Stop();
  EXPECT_EQ(run.status.error().key, "CANCELLED");
}

}  // namespace
}  // namespace tinyai
