#include "os/measure.h"

#include <unistd.h>

#include <cerrno>

#include "base/units.h"
#include "gtest/gtest.h"
#include "os/clock.h"
#include "os/testing.h"

namespace tinyai {
namespace {

using std::chrono::milliseconds;

constexpr IoPath kPaths[] = {IoPath::kUring, IoPath::kDirect, IoPath::kBuffered};

TEST(Measure, FindsAMemoryRate) {
  Budget budget("test", 64 * kMiB);
  for (const uint32_t threads : {0u, 1u, 2u, 1'000'000u}) {
    const auto rate = MeasureMemoryRate(budget, threads, 16 * kMiB, milliseconds(20));
    ASSERT_TRUE(rate) << Describe(rate.error());
    EXPECT_GT(*rate, 1e7);
    EXPECT_LT(*rate, 1e13);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
  EXPECT_EQ(MeasureMemoryRate(budget, 1, 65 * kMiB, milliseconds(1)).error().key,
            "BUDGET_EXCEEDED");
}

TEST(Measure, ReadsEachBlockOfAFileOnce) {
  const ScratchDirectory scratch;
  Budget budget("test", 64 * kMiB);
  const auto file = *File::Open(scratch.Write("model", PatternBytes(5 * kMiB + 100)));
  for (const IoPath path : kPaths) {
    const auto rate = MeasureDiskRate(
        budget, *file, {.path = path, .block_bytes = kMiB, .duration = std::chrono::seconds(20)});
    ASSERT_TRUE(rate) << Describe(rate.error());
    EXPECT_EQ(rate->bytes, 5 * kMiB);
    EXPECT_GT(rate->bytes_per_second, 0);
    const auto capped =
        MeasureDiskRate(budget, *file, {.path = path, .block_bytes = kMiB, .most_bytes = 2 * kMiB});
    EXPECT_EQ(capped->bytes, 2 * kMiB);
    const auto hurried =
        MeasureDiskRate(budget, *file, {.path = path, .depth = 1, .duration = milliseconds(0)});
    EXPECT_EQ(hurried->bytes, 2 * kMiB);
  }
  EXPECT_EQ(budget.used_bytes(), 0u);
}

TEST(Measure, ReadsSmallFilesToo) {
  const ScratchDirectory scratch;
  Budget budget("test", 64 * kMiB);
  for (const uint64_t size : {1, 4096, 5000}) {
    const auto file = *File::Open(scratch.Write("model", PatternBytes(size)));
    EXPECT_EQ(MeasureDiskRate(budget, *file, {})->bytes, size);
    EXPECT_TRUE(ChoosePath(budget, *file));
    EXPECT_GT(*MeasureRequestSeconds(budget, *file, IoPath::kAuto, 4096, 5), 0);
  }
  const auto empty = *File::Open(scratch.Write("empty", ""));
  EXPECT_EQ(MeasureDiskRate(budget, *empty, {}).error().key, "BAD_FILE_SIZE");
  EXPECT_EQ(ChoosePath(budget, *empty).error().key, "BAD_FILE_SIZE");
}

TEST(Measure, ChoosesThePathThatWasFastest) {
  const ScratchDirectory scratch;
  Budget budget("test", 64 * kMiB);
  const auto file = *File::Open(scratch.Write("model", PatternBytes(32 * kMiB)));
  const auto choice = ChoosePath(budget, *file);
  ASSERT_TRUE(choice) << Describe(choice.error());
  double best = 0, chosen = 0;
  uint64_t bytes = 0;
  for (const DiskRate& rate : choice->rates) {
    EXPECT_GT(rate.bytes, 0u) << Name(rate.path);
    best = std::max(best, rate.bytes_per_second);
    if (rate.path == choice->path) chosen = rate.bytes_per_second;
    bytes += rate.bytes;
  }
  EXPECT_GE(chosen, 0.95 * best);
  EXPECT_LE(bytes, 64 * kMiB);
  EXPECT_EQ(budget.used_bytes(), 0u);
}

// Reads that wait before they are made: a slow disk.
class SlowCalls : public SystemCalls {
 public:
  int UringAllowed() override { return -EPERM; }
  int64_t Pread(int fd, void* data, uint64_t size, uint64_t offset) override {
    ::usleep(20'000);
    return SystemCalls::Pread(fd, data, size, offset);
  }
};

TEST(Measure, ChoosesInTimeOnASlowDisk) {
  const ScratchDirectory scratch;
  Budget budget("test", 64 * kMiB);
  const auto file = *File::Open(scratch.Write("model", PatternBytes(16 * kMiB)));
  SlowCalls slow;
  const int64_t start = MonotonicNs();
  const auto choice = ChoosePath(budget, *file, 2, slow);
  EXPECT_LT(MonotonicNs() - start, 1'000'000'000);
  ASSERT_TRUE(choice);
  ASSERT_EQ(choice->rates.size(), 2u);
  for (const DiskRate& rate : choice->rates) EXPECT_GT(rate.bytes, 0u);
}

}  // namespace
}  // namespace tinyai
