#pragma once

#include <cstdint>
#include <string>

namespace tinyai {

// What the kernel counted for this process. Fields it does not tell are 0.
struct ProcessStats {
  uint64_t resident_bytes = 0;       // VmRSS
  uint64_t peak_resident_bytes = 0;  // VmHWM
  uint64_t threads = 0;
  uint64_t disk_read_bytes = 0;  // from storage, direct reads included
  double cpu_seconds = 0;        // user and system, all threads
  uint64_t major_faults = 0;
};

// `root` is put before every path, for tests.
ProcessStats ReadProcessStats(const std::string& root = "");

}  // namespace tinyai
