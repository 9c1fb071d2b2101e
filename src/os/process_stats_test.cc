#include "os/process_stats.h"

#include <fstream>

#include "base/units.h"
#include "gtest/gtest.h"
#include "os/memory_region.h"
#include "os/testing.h"

namespace tinyai {
namespace {

TEST(ProcessStats, SeesMemoryThatIsTouched) {
  const ProcessStats before = ReadProcessStats();
  EXPECT_GE(before.threads, 1u);
  EXPECT_GE(before.peak_resident_bytes, before.resident_bytes);
  Budget budget("test", kGiB);
  MemoryRegion region = *MemoryRegion::Allocate(budget, 64 * kMiB, "test");
  ASSERT_TRUE(region.Populate(0, region.size()));
  const ProcessStats after = ReadProcessStats();
  EXPECT_GE(after.peak_resident_bytes, before.resident_bytes + 60 * kMiB);
  EXPECT_GE(after.cpu_seconds, before.cpu_seconds);
}

TEST(ProcessStats, AreReadFromTheKernelsFiles) {
  const ScratchDirectory scratch;
  std::filesystem::create_directories(scratch.path() / "proc/self");
  std::ofstream(scratch.path() / "proc/self/status") << "VmHWM:\t  200 kB\nVmRSS:\t 100 kB\n"
                                                        "Threads:\t7\n";
  std::ofstream(scratch.path() / "proc/self/io") << "rchar: 5\nread_bytes: 4096\n";
  const ProcessStats stats = ReadProcessStats(scratch.path().string());
  EXPECT_EQ(stats.peak_resident_bytes, 200u * 1024);
  EXPECT_EQ(stats.resident_bytes, 100u * 1024);
  EXPECT_EQ(stats.threads, 7u);
  EXPECT_EQ(stats.disk_read_bytes, 4096u);
}

}  // namespace
}  // namespace tinyai
