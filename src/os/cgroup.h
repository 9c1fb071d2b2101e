#pragma once

#include <cstdint>
#include <string>

namespace tinyai {

// What the control groups above this process allow it, version 1 and 2, and what they hold.
struct Cgroup {
  int version = 0;                   // of the memory controller; 0: none is mounted
  std::string path = {};             // directory of this process's own memory group
  uint64_t memory_limit_bytes = 0;   // least of the whole path; 0: none
  uint64_t memory_used_bytes = 0;    // of the own group: what the limit is held against
  uint64_t memory_cached_bytes = 0;  // of that, file pages the kernel can drop
  uint64_t memory_room_bytes = 0;  // least of (limit - used + cached) of the path; 0 without limit
  double cpus = 0;                 // CPU time per time, least of the whole path; 0: no limit
};

// Never fails: what cannot be read counts as no limit. `root` is put before every path, for tests.
Cgroup ReadCgroup(const std::string& root = "");

}  // namespace tinyai
