#include "os/process_stats.h"

#include <sys/resource.h>

#include "os/text_file.h"

namespace tinyai {

ProcessStats ReadProcessStats(const std::string& root) {
  ProcessStats stats;
  const std::string status = ReadTextFile(root + "/proc/self/status").value_or("");
  stats.resident_bytes = NumberAfter(status, "VmRSS:").value_or(0) * 1024;
  stats.peak_resident_bytes = NumberAfter(status, "VmHWM:").value_or(0) * 1024;
  stats.threads = NumberAfter(status, "Threads:").value_or(0);
  const std::string io = ReadTextFile(root + "/proc/self/io").value_or("");
  stats.disk_read_bytes = NumberAfter(io, "read_bytes:").value_or(0);
  rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    stats.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    stats.major_faults = static_cast<uint64_t>(usage.ru_majflt);
  }
  return stats;
}

}  // namespace tinyai
