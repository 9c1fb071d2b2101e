#include "os/machine.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "fmt/format.h"
#include "os/read_queue.h"
#include "os/text_file.h"

namespace tinyai {
namespace {

constexpr const char* kHugePages = "/sys/kernel/mm/transparent_hugepage/";

// Which of "always [madvise] never" is in brackets; empty if none is.
std::string Selected(std::string_view text) {
  const size_t begin = text.find('[');
  const size_t end = text.find(']');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

std::string HugePageMode(const std::string& root) {
  return Selected(ReadTextFile(root + kHugePages + "enabled").value_or(""));
}

uint64_t HugePageBytes(const std::string& root) {
  const std::string mode = HugePageMode(root);
  if (mode.empty() || mode == "never") return 0;
  const auto size = ReadTextFile(root + kHugePages + "hpage_pmd_size");
  return size ? LeadingNumber(*size).value_or(0) : 0;
}

std::string CpuModel(const std::string& root) {
  const std::string text = ReadTextFile(root + "/proc/cpuinfo").value_or("");
  for (const std::string_view key : {"model name", "Hardware", "cpu model"}) {
    for (const std::string_view line : Split(text, '\n')) {
      const size_t colon = line.find(": ");
      if (line.starts_with(key) && colon != std::string_view::npos) {
        return std::string(line.substr(colon + 2));
      }
    }
  }
  return "unknown";
}

uint64_t LimitOf(__rlimit_resource resource) {
  rlimit limit = {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return ~uint64_t{0};
  return limit.rlim_cur;
}

}  // namespace

Machine ProbeMachine(const std::string& root) {
  Machine machine;
  const Cgroup cgroup = ReadCgroup(root);
  const std::string memory = ReadTextFile(root + "/proc/meminfo").value_or("");
  machine.memory_bytes = NumberAfter(memory, "MemTotal:").value_or(0) * 1024;
  machine.available_bytes = NumberAfter(memory, "MemAvailable:").value_or(0) * 1024;
  machine.cgroup_limit_bytes = cgroup.memory_limit_bytes;
  if (cgroup.memory_limit_bytes != 0) {
    machine.available_bytes = std::min(machine.available_bytes, cgroup.memory_room_bytes);
  }
  size_t threads = OneCpuPerCore(AllowedCpus(), root).size();
  if (cgroup.cpus > 0 && cgroup.cpus < static_cast<double>(threads)) {
    threads = static_cast<size_t>(cgroup.cpus);  // a part of a core would hold up all the others
  }
  machine.threads = static_cast<uint32_t>(std::max<size_t>(threads, 1));
  if (const long page = ::sysconf(_SC_PAGESIZE); page > 0) {
    machine.page_bytes = static_cast<uint64_t>(page);
  }
  machine.huge_page_bytes = HugePageBytes(root);
  machine.name = fmt::format("{}, {} CPUs", CpuModel(root), AllowedCpus().size());
  return machine;
}

MachineFacts ProbeMachineFacts(const std::string& root) {
  MachineFacts facts;
  utsname name = {};
  if (::uname(&name) == 0) facts.kernel = name.release;
  facts.cpu_model = CpuModel(root);
  const std::vector<uint32_t> cpus = AllowedCpus();
  facts.cpus = static_cast<uint32_t>(cpus.size());
  facts.cores = static_cast<uint32_t>(OneCpuPerCore(cpus, root).size());
  facts.cgroup = ReadCgroup(root);
  facts.transparent_huge_pages = HugePageMode(root);
  facts.io_uring = UringIsAvailable();
  facts.memlock_limit_bytes = LimitOf(RLIMIT_MEMLOCK);
  facts.address_space_limit_bytes = LimitOf(RLIMIT_AS);
  const std::string overcommit = ReadTextFile(root + "/proc/sys/vm/overcommit_memory").value_or("");
  facts.overcommit_mode = LeadingNumber(overcommit).value_or(0);
  return facts;
}

std::vector<uint32_t> AllowedCpus() {
  std::vector<uint32_t> cpus;
  // The kernel refuses a mask smaller than its own.
  for (int count = CPU_SETSIZE; count <= 1 << 16; count *= 2) {
    cpu_set_t* const mask = CPU_ALLOC(count);
    if (mask == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(count);
    const bool known = ::sched_getaffinity(0, size, mask) == 0;
    for (int i = 0; known && i < count; ++i) {
      if (CPU_ISSET_S(i, size, mask)) cpus.push_back(static_cast<uint32_t>(i));
    }
    CPU_FREE(mask);
    if (known) break;
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

std::vector<uint32_t> OneCpuPerCore(const std::vector<uint32_t>& cpus, const std::string& root) {
  std::set<std::string> seen;
  std::vector<uint32_t> first;
  for (const uint32_t cpu : cpus) {
    const std::string path =
        fmt::format("{}/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", root, cpu);
    const auto siblings = ReadTextFile(path);
    if (!siblings || seen.insert(*siblings).second) first.push_back(cpu);
  }
  return first;
}

CpuCaches ProbeCpuCaches() {
  const auto ask = [](int name) {
    const long value = ::sysconf(name);
    return value > 0 ? static_cast<uint64_t>(value) : 0;
  };
  return {.line_bytes = ask(_SC_LEVEL1_DCACHE_LINESIZE),
          .l1_bytes = ask(_SC_LEVEL1_DCACHE_SIZE),
          .l2_bytes = ask(_SC_LEVEL2_CACHE_SIZE),
          .l3_bytes = ask(_SC_LEVEL3_CACHE_SIZE)};
}

}  // namespace tinyai
