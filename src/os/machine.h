#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/machine.h"
#include "os/cgroup.h"

namespace tinyai {

// What this machine offers this process now. Never fails: what cannot be read keeps a safe
// default. `threads` counts the cores (not hardware threads) that the affinity mask, the cpuset and
// the CPU quota leave; `available_bytes` is also bounded by the room in the cgroups. Rates are
// those of base/machine.h: measured ones come from os/rates_cache.h.
// `root` is put before every path, for tests.
Machine ProbeMachine(const std::string& root = "");

// What `tinyai doctor` shows besides.
struct MachineFacts {
  std::string kernel;     // "6.1.0-18-amd64"
  std::string cpu_model;  // "unknown" if it has no name
  uint32_t cpus = 1;      // in the affinity mask
  uint32_t cores = 1;     // of those, with hardware threads of one core counted once
  Cgroup cgroup;
  std::string transparent_huge_pages;  // "always", "madvise", "never"
  bool io_uring = false;               // whether one can be set up
  uint64_t memlock_limit_bytes = 0;    // ~0: none
  uint64_t address_space_limit_bytes = 0;
  uint64_t overcommit_mode = 0;  // vm.overcommit_memory; 2 is strict
};
MachineFacts ProbeMachineFacts(const std::string& root = "");

// The data caches of a core; 0: unknown.
struct CpuCaches {
  uint64_t line_bytes = 0, l1_bytes = 0, l2_bytes = 0, l3_bytes = 0;
};
CpuCaches ProbeCpuCaches();

// CPUs this process may run on, ascending; at least one.
std::vector<uint32_t> AllowedCpus();
// One CPU of each core among `cpus`, in that order: where compute threads go first.
std::vector<uint32_t> OneCpuPerCore(const std::vector<uint32_t>& cpus,
                                    const std::string& root = "");

}  // namespace tinyai
