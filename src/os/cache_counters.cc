#include "os/cache_counters.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>

namespace tinyai {
namespace {

constexpr uint64_t kL1Misses = PERF_COUNT_HW_CACHE_L1D | PERF_COUNT_HW_CACHE_OP_READ << 8 |
                               PERF_COUNT_HW_CACHE_RESULT_MISS << 16;

UniqueFd OpenCounter(uint32_t type, uint64_t config) {
  perf_event_attr attributes;
  std::memset(&attributes, 0, sizeof(attributes));
  attributes.size = sizeof(attributes);
  attributes.type = type;
  attributes.config = config;
  attributes.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  attributes.inherit = 1;
  attributes.exclude_kernel = 1;
  attributes.exclude_hv = 1;
  const long fd = ::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
  return UniqueFd(static_cast<int>(fd));
}

std::optional<uint64_t> ReadCounter(const UniqueFd& counter) {
  struct {
    uint64_t value, enabled, running;
  } now;
  if (!counter || ::read(counter.get(), &now, sizeof(now)) != sizeof(now)) return std::nullopt;
  if (now.running == 0) return now.enabled == 0 ? std::optional(now.value) : std::nullopt;
  const double share = static_cast<double>(now.enabled) / static_cast<double>(now.running);
  return static_cast<uint64_t>(static_cast<double>(now.value) * share);
}

}  // namespace

CacheCounters CacheCounters::Open() {
  CacheCounters out;
  out.counters_[0] = OpenCounter(PERF_TYPE_HW_CACHE, kL1Misses);
  out.counters_[1] = OpenCounter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES);
  out.counters_[2] = OpenCounter(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES);
  return out;
}

std::optional<CacheCounters::Counts> CacheCounters::Read() const {
  const std::optional<uint64_t> l1 = ReadCounter(counters_[0]),
                                references = ReadCounter(counters_[1]),
                                misses = ReadCounter(counters_[2]);
  if (!l1 || !references || !misses) return std::nullopt;
  return Counts{*l1, *references, *misses};
}

}  // namespace tinyai
