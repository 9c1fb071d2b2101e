#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/result.h"
#include "os/file.h"

namespace tinyai {

// A read of whole blocks: `offset`, `size` and `data` are multiples of ReadQueue::alignment().
// Bytes past the end of the file are left as they are.
struct ReadRequest {
  uint32_t file = 0;  // index into the files given to Open
  uint64_t offset = 0;
  std::byte* data = nullptr;
  uint64_t size = 0;
  uint64_t tag = 0;  // handed back on completion
};

// Reads of a few files, finished in any order. One thread submits and waits; nothing else is
// thread-safe except Cancel. This is the seam at which tests put a store that finishes reads in a
// random order and fails on request.
class ReadQueue {
 public:
  virtual ~ReadQueue() = default;
  virtual IoPath path() const = 0;         // what is really in use: never kAuto
  virtual uint32_t depth() const = 0;      // most requests in flight
  virtual uint64_t alignment() const = 0;  // power of two
  virtual uint32_t in_flight() const = 0;

  // Precondition: in_flight() < depth().
  virtual Status Submit(const ReadRequest& request) = 0;
  // Waits for one request and returns its tag. Errors: IO_READ (after one retry), MODEL_CHANGED
  // (the file is shorter than it was, or its identity changed), IO_TIMEOUT (no completion within
  // `timeout`; the request stays in flight), CANCELLED. Precondition: in_flight() > 0.
  virtual Result<uint64_t> Wait(std::chrono::nanoseconds timeout) = 0;
  // From any thread: makes the current and every later Wait return CANCELLED at once.
  virtual void Cancel() = 0;
};

struct ReadQueueOptions {
  IoPath path = IoPath::kAuto;
  uint32_t depth = 2;
};

// kAuto takes io_uring + O_DIRECT, else pread + O_DIRECT, else buffered reads with drop-behind:
// the first that works on these files (the caller may have probed which is fastest). A path asked
// for by name that does not work here falls back in the same order; `path()` tells. The files
// outlive the queue. Memory it holds beyond the requests' buffers is below 64 KiB plus, for
// pread paths, `depth` thread stacks.
Result<std::unique_ptr<ReadQueue>> OpenReadQueue(std::span<const File* const> files,
                                                 const ReadQueueOptions& options);

}  // namespace tinyai
