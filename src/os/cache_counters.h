#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "os/unique_fd.h"

namespace tinyai {

// What the processor counts of its caches, of the thread that opened this and of all that it and
// they have started since.
class CacheCounters {
 public:
  CacheCounters() = default;
  // Counts nothing where the system does not allow it, or the processor cannot.
  static CacheCounters Open();

  struct Counts {
    uint64_t l1_misses = 0, llc_references = 0, llc_misses = 0;
  };
  // Nothing where it counts nothing. Where the processor has to share its counters among more than
  // it has, these are scaled to the whole time.
  std::optional<Counts> Read() const;

 private:
  std::array<UniqueFd, 3> counters_;  // in the order of Counts
};

}  // namespace tinyai
