#include "os/cgroup.h"

#include <fstream>

#include "base/units.h"
#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

// A root directory with files of the kernel's in it.
class FakeRoot {
 public:
  void Write(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = root() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  std::string root() const { return scratch_.path().string(); }

 private:
  ScratchDirectory scratch_;
};

constexpr const char* kUnifiedMount =
    "25 20 0:1 / /proc rw shared:5 - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 master:3 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(Cgroup, HasNoLimitWhereNothingIsMounted) {
  const FakeRoot files;
  const Cgroup cgroup = ReadCgroup(files.root());
  EXPECT_EQ(cgroup.version, 0);
  EXPECT_EQ(cgroup.memory_limit_bytes, 0u);
  EXPECT_EQ(cgroup.cpus, 0);
}

TEST(Cgroup, TakesTheLeastLimitOfAVersion2Path) {
  const FakeRoot files;
  files.Write("/proc/self/mountinfo", kUnifiedMount);
  files.Write("/proc/self/cgroup", "0::/user.slice/run.scope\n");
  const std::string base = "/sys/fs/cgroup/user.slice";
  files.Write(base + "/memory.max", "1073741824\n");
  files.Write(base + "/memory.current", "900000000\n");
  files.Write(base + "/memory.stat",
              "anon 5\nfile 300000000\ninactive_file 100000000\n"
              "active_file 200000000\n");
  files.Write(base + "/cpu.max", "150000 100000\n");
  files.Write(base + "/run.scope/memory.max", "2147483648\n");
  files.Write(base + "/run.scope/memory.current", "1000\n");
  files.Write(base + "/run.scope/cpu.max", "max 100000\n");
  const Cgroup cgroup = ReadCgroup(files.root());
  EXPECT_EQ(cgroup.version, 2);
  EXPECT_EQ(cgroup.path, files.root() + base + "/run.scope");
  EXPECT_EQ(cgroup.memory_limit_bytes, kGiB);
  EXPECT_EQ(cgroup.memory_used_bytes, 1000u);
  EXPECT_EQ(cgroup.memory_room_bytes, kGiB - 600'000'000);
  EXPECT_EQ(cgroup.cpus, 1.5);
}

TEST(Cgroup, CountsMemoryHighAsALimit) {
  const FakeRoot files;
  files.Write("/proc/self/mountinfo", kUnifiedMount);
  files.Write("/proc/self/cgroup", "0::/a\n");
  files.Write("/sys/fs/cgroup/a/memory.max", "max\n");
  files.Write("/sys/fs/cgroup/a/memory.high", "536870912\n");
  EXPECT_EQ(ReadCgroup(files.root()).memory_limit_bytes, 512 * kMiB);
}

TEST(Cgroup, ReadsVersion1BesideAnEmptyVersion2) {
  const FakeRoot files;
  files.Write("/proc/self/mountinfo",
              "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
              "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
              "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  files.Write("/proc/self/cgroup", "4:memory:/outer/inner\n1:cpu,cpuacct:/c\n0::/\n");
  const std::string base = "/sys/fs/cgroup/memory/outer";
  files.Write(base + "/memory.limit_in_bytes", "268435456\n");
  files.Write(base + "/memory.usage_in_bytes", "268435456\n");
  files.Write(base + "/inner/memory.limit_in_bytes", "9223372036854771712\n");
  files.Write(base + "/inner/memory.usage_in_bytes", "5000\n");
  files.Write(base + "/inner/memory.stat",
              "cache 1\ntotal_inactive_file 1500\n"
              "total_active_file 500\n");
  files.Write("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "-1\n");
  files.Write("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n");
  files.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
  files.Write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  const Cgroup cgroup = ReadCgroup(files.root());
  EXPECT_EQ(cgroup.version, 1);
  EXPECT_EQ(cgroup.memory_limit_bytes, 256 * kMiB);
  EXPECT_EQ(cgroup.memory_used_bytes, 5000u);
  EXPECT_EQ(cgroup.memory_cached_bytes, 2000u);
  EXPECT_EQ(cgroup.memory_room_bytes, 1u) << "full, which is not the same as no limit";
  EXPECT_EQ(cgroup.cpus, 4);
}

TEST(Cgroup, FindsLimitsAboveAContainersMountInTheStatistics) {
  const FakeRoot files;
  files.Write("/proc/self/mountinfo",
              "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  files.Write("/proc/self/cgroup", "4:memory:/docker/abc/child\n");
  files.Write("/sys/fs/cgroup/memory/child/memory.limit_in_bytes", "9223372036854771712\n");
  files.Write("/sys/fs/cgroup/memory/child/memory.stat", "hierarchical_memory_limit 134217728\n");
  EXPECT_EQ(ReadCgroup(files.root()).memory_limit_bytes, 128 * kMiB);
}

TEST(Cgroup, TakesTheMountPointForAGroupOutsideOfTheMount) {
  for (const char* group : {"0::/../../elsewhere\n", "0::/other/group\n"}) {
    const FakeRoot files;
    files.Write("/proc/self/mountinfo",
                "31 23 0:28 /mine /with\\040blank rw - cgroup2 cgroup2 rw\n");
    files.Write("/proc/self/cgroup", group);
    files.Write("/with blank/memory.max", "4096\n");
    EXPECT_EQ(ReadCgroup(files.root()).memory_limit_bytes, 4096u) << group;
  }
}

TEST(Cgroup, LivesWithGarbage) {
  const std::string mount = kUnifiedMount;
  for (size_t size = 0; size < mount.size(); size += 3) {
    const FakeRoot files;
    files.Write("/proc/self/mountinfo", mount.substr(0, size) + "\n - - \n31 23 - cgroup2\n\\0");
    files.Write("/proc/self/cgroup", ":\n::\n0\n0:\n0::a\n0::/a/../..\n");
    files.Write("/sys/fs/cgroup/memory.max", "\xff-5x");
    files.Write("/sys/fs/cgroup/cpu.max", "0 0 0");
    EXPECT_EQ(ReadCgroup(files.root()).memory_limit_bytes, 0u);
  }
}

}  // namespace
}  // namespace tinyai
