#include "os/machine.h"

#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "os/testing.h"

namespace tinyai {
namespace {

class MachineTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path full = root() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  std::string root() const { return scratch_.path().string(); }
  ScratchDirectory scratch_;
};

TEST_F(MachineTest, KeepsSafeDefaultsWhereNothingCanBeRead) {
  const Machine machine = ProbeMachine(root());
  EXPECT_GE(machine.threads, 1u);
  EXPECT_EQ(machine.memory_bytes, 0u);
  EXPECT_EQ(machine.available_bytes, 0u);
  EXPECT_EQ(machine.cgroup_limit_bytes, 0u);
  EXPECT_EQ(machine.huge_page_bytes, 0u);
  EXPECT_FALSE(machine.rates.measured);
  EXPECT_EQ(ProbeMachineFacts(root()).cpu_model, "unknown");
}

TEST_F(MachineTest, ReadsWhatTheKernelTells) {
  Write("/proc/meminfo",
        "MemTotal:       24689012 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n");
  Write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  Write("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
  Write("/proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\n");
  Write("/proc/sys/vm/overcommit_memory", "2\n");
  const Machine machine = ProbeMachine(root());
  EXPECT_EQ(machine.memory_bytes, uint64_t{24689012} * 1024);
  EXPECT_EQ(machine.available_bytes, uint64_t{20000000} * 1024);
  EXPECT_EQ(machine.huge_page_bytes, 2097152u);
  const MachineFacts facts = ProbeMachineFacts(root());
  EXPECT_EQ(facts.cpu_model, "Some CPU @ 3 GHz");
  EXPECT_EQ(facts.transparent_huge_pages, "madvise");
  EXPECT_EQ(facts.overcommit_mode, 2u);
}

TEST_F(MachineTest, HasNoHugePagesWhereTheyAreOff) {
  Write("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  Write("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
  EXPECT_EQ(ProbeMachine(root()).huge_page_bytes, 0u);
}

TEST_F(MachineTest, IsBoundedByItsCgroup) {
  Write("/proc/meminfo", "MemTotal: 24689012 kB\nMemAvailable: 20000000 kB\n");
  Write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  Write("/proc/self/cgroup", "0::/a\n");
  Write("/sys/fs/cgroup/a/memory.max", "1000000\n");
  Write("/sys/fs/cgroup/a/memory.current", "300000\n");
  Write("/sys/fs/cgroup/a/cpu.max", "50000 100000\n");
  const Machine machine = ProbeMachine(root());
  EXPECT_EQ(machine.cgroup_limit_bytes, 1000000u);
  EXPECT_EQ(machine.available_bytes, 700000u);
  EXPECT_EQ(machine.threads, 1u);
}

TEST_F(MachineTest, CountsHardwareThreadsOfOneCoreOnce) {
  for (const int cpu : {0, 1, 2, 3}) {
    Write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list",
          cpu % 2 == 0 ? "0,2\n" : "1,3\n");
  }
  EXPECT_THAT(OneCpuPerCore({0, 1, 2, 3}, root()), testing::ElementsAre(0, 1));
  EXPECT_THAT(OneCpuPerCore({2, 3}, root()), testing::ElementsAre(2, 3));
  EXPECT_THAT(OneCpuPerCore({2, 9, 0}, root()), testing::ElementsAre(2, 9));
}

TEST_F(MachineTest, KnowsThisMachine) {
  const Machine machine = ProbeMachine();
  EXPECT_GT(machine.memory_bytes, 0u);
  EXPECT_GT(machine.available_bytes, 0u);
  EXPECT_LE(machine.available_bytes, machine.memory_bytes);
  EXPECT_GE(machine.page_bytes, 4096u);
  const MachineFacts facts = ProbeMachineFacts();
  EXPECT_FALSE(facts.kernel.empty());
  EXPECT_GE(facts.cpus, facts.cores);
  EXPECT_GE(facts.cores, machine.threads);
}

}  // namespace
}  // namespace tinyai
