#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/budget.h"
#include "base/machine.h"
#include "base/result.h"
#include "os/file.h"
#include "os/system_calls.h"

namespace tinyai {

// Bytes per second that `threads` pinned threads together read from a buffer of `bytes`, each its
// own share from end to end, at least once, for about `duration`. A buffer several times the last
// cache measures the memory. Errors of MemoryRegion and Thread.
Result<double> MeasureMemoryRate(Budget& budget, uint32_t threads, uint64_t bytes,
                                 std::chrono::nanoseconds duration);

struct DiskRateOptions {
  IoPath path = IoPath::kAuto;
  uint32_t depth = 2;
  uint64_t block_bytes = 2 << 20;  // multiple of 4096; smaller for files smaller than that
  uint64_t most_bytes = uint64_t{1} << 30;
  std::chrono::nanoseconds duration = std::chrono::milliseconds(500);
  // Where to begin: runs that are compared take different seeds, since storage behind a virtual
  // disk remembers what was read before.
  uint64_t seed = 0;
};

struct DiskRate {
  IoPath path = IoPath::kAuto;  // what was really used
  double bytes_per_second = 0;
  uint64_t bytes = 0;
  double seconds = 0;
};

// Reads blocks of `file` in a scattered order, none twice, into huge pages, until `duration` or
// `most_bytes` or the file is used up; at least one block. What the page cache holds of a block is
// dropped before it is read, so the disk is measured. Holds depth x block_bytes. Errors of the read
// queue and of MemoryRegion; BAD_FILE_SIZE for an empty file.
Result<DiskRate> MeasureDiskRate(Budget& budget, const File& file, const DiskRateOptions& options);

// The median time of one read of `bytes` (a multiple of 4096) with nothing else in flight, from
// `samples` places of the file.
Result<double> MeasureRequestSeconds(Budget& budget, const File& file, IoPath path, uint64_t bytes,
                                     uint32_t samples, uint64_t seed = 0);

struct PathChoice {
  IoPath path = IoPath::kBuffered;  // the fastest
  std::vector<DiskRate> rates;      // of each path that works here
};

// Finds the fastest path for a file by reading a little of it on each in turn: about 60 ms and at
// most 64 MiB in all (on a slow disk at least one block of 1 MiB on each path). Paths within 5 % of
// the best count as equal, and the first of uring, direct, buffered among them is taken. Holds at
// most 3 x depth MiB while it runs.
Result<PathChoice> ChoosePath(Budget& budget, const File& file, uint32_t depth = 2,
                              SystemCalls& system = SystemCalls::Real());

}  // namespace tinyai
