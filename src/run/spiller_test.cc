#include "run/spiller.h"

#include <cerrno>
#include <cstring>
#include <span>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

constexpr uint64_t kRow = 3 * 4096 + 64, kMost = 4 * 4096;

// One value that is taken away and comes back elsewhere, one row a pass.
class Moved {
 public:
  Moved() {
    for (const char* name : {"x", "x.away", "x.back"}) {
      graph.values.push_back({name, Rows::kTokens, kRow / 4, Element::kFloat, kRow});
    }
    graph.ops = {{"x.spill", op::Spill{}, {ValueId(0)}, {}, ValueId(1)},
                 {"x.fetch", op::Fetch{}, {ValueId(1)}, {}, ValueId(2)}};
    plan.queues = {{"CPU", std::vector<Step>(2)}, {"DISK", {}}, {"DISK.rows", {}}, {"spill", {}}};
    plan.fences = {{"used", kCpuQueue, 0}};
    for (uint32_t i = 0; i < 2; ++i) {
      Step& step = plan.queues[kSpillQueue].steps.emplace_back();
      step.work = step::Transfer{OpId(i), 8192};
    }
    plan.queues[kSpillQueue].steps[0].syncs = {{FenceId(0), 0}};
    plan.buffers = {{"x", BufferKind::kActivation, 0, kMost},
                    {"x.away", BufferKind::kActivation, 0, 0},
                    {"x.back", BufferKind::kActivation, kMost, kMost}};
    plan.value_buffers = {BufferId(0), BufferId(1), BufferId(2)};
    plan.scratch_bytes = 8192 + kMost;
  }
  std::byte* arena() {
    const auto address = reinterpret_cast<uintptr_t>(memory_.data());
    return memory_.data() + (4096 - address % 4096);
  }

  Graph graph;
  Plan plan;

 private:
  std::vector<std::byte> memory_ = std::vector<std::byte>(2 * kMost + 4096);
};

TEST(Spiller, TakesValuesAwayAndBackWhenTheirSyncsLetIt) {
  Moved moved;
  auto scratch = ScratchFile::Create(moved.plan.scratch_bytes);
  ASSERT_TRUE(scratch) << Describe(scratch.error());
  Timeline cpu;
  QueueClocks clocks(moved.plan);
  clocks.Add(kCpuQueue, cpu);
  Spiller spiller(moved.graph, moved.plan, moved.arena(), **scratch, clocks, nullptr);
  Status ended;
  std::thread thread([&] { ended = spiller.Run(); });
  for (uint64_t pass = 0; pass < 3; ++pass) {
    spiller.Announce(1);
    const std::string bytes = PatternBytes(kRow, pass);
    std::memcpy(moved.arena(), bytes.data(), kRow);
    EXPECT_EQ(spiller.timeline().value(), 2 * pass);
    cpu.Advance(2 * pass + 1);
    ASSERT_TRUE(spiller.timeline().WaitFor(2 * pass + 2, std::chrono::minutes(1)));
    EXPECT_EQ(std::memcmp(moved.arena() + kMost, bytes.data(), kRow), 0);
    cpu.Advance(2 * pass + 2);
  }
  EXPECT_EQ(spiller.spilled_bytes(), 3 * kMost);
  EXPECT_EQ(spiller.fetched_bytes(), 3 * kMost);
  spiller.Stop();
  cpu.Stop();
  thread.join();
  EXPECT_EQ(ended.error().key, "CANCELLED");
}

class FullDisk : public WriteCalls {
 public:
  int64_t Pwrite(int, const void*, uint64_t, uint64_t) override { return -ENOSPC; }
};

TEST(Spiller, EndsWithTheErrorOfTheDisk) {
  Moved moved;
  FullDisk full;
  auto scratch = ScratchFile::Create(moved.plan.scratch_bytes, full);
  ASSERT_TRUE(scratch) << Describe(scratch.error());
  Timeline cpu;
  cpu.Advance(1);
  QueueClocks clocks(moved.plan);
  clocks.Add(kCpuQueue, cpu);
  Spiller spiller(moved.graph, moved.plan, moved.arena(), **scratch, clocks, nullptr);
  spiller.Announce(1);
  const Status ended = spiller.Run();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().key, "IO_WRITE");
  EXPECT_EQ(spiller.timeline().value(), 0u);
}

}  // namespace
}  // namespace tinyai
