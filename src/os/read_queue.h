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
// What `data` holds past the end of the file is unspecified afterwards.
struct ReadRequest {
  uint32_t file = 0;    // index into the files given to OpenReadQueue
  uint64_t offset = 0;  // from the begin() of that file's part
  std::byte* data = nullptr;
  uint64_t size = 0;
  uint64_t tag = 0;  // handed back on completion
};

// Reads of a few files, finished in any order. One thread submits and waits; nothing else is
// thread-safe except Cancel. This is the seam at which tests put a store that finishes reads in a
// random order and fails on request (os/fake_read_queue.h).
class ReadQueue {
 public:
  // Stops first, for at most 200 ms.
  virtual ~ReadQueue() = default;
  virtual IoPath path() const = 0;         // what is really in use: never kAuto
  virtual uint32_t depth() const = 0;      // most requests in flight
  virtual uint64_t alignment() const = 0;  // power of two
  virtual uint32_t in_flight() const = 0;

  // Precondition: in_flight() < depth(). Error IO_READ (the system takes no more requests).
  virtual Status Submit(const ReadRequest& request) = 0;
  // Waits for one request and returns its tag. Errors that end the request concerned: IO_READ
  // (after one retry), MODEL_CHANGED (the file is shorter than it was, or its identity changed).
  // Errors that leave all requests in flight: IO_TIMEOUT (no completion within `timeout`),
  // CANCELLED. Precondition: in_flight() > 0.
  virtual Result<uint64_t> Wait(std::chrono::nanoseconds timeout) = 0;
  // From any thread: makes the current and every later Wait return CANCELLED at once.
  virtual void Cancel() = 0;
  // Cancels, and waits for the reads in flight until `grace` has passed. False if a read is still
  // stuck in the kernel, which may write to its request's memory at any later time: such memory
  // must never be returned (MemoryRegion::Leak). Afterwards the queue can only be destroyed.
  virtual bool Stop(std::chrono::nanoseconds grace) = 0;
};

struct ReadQueueOptions {
  IoPath path = IoPath::kAuto;
  uint32_t depth = 2;
};

// kAuto takes io_uring + O_DIRECT, else pread + O_DIRECT, else buffered reads with drop-behind:
// the first that works on these files (the caller may have probed which is fastest). A path asked
// for by name that does not work here falls back in the same order; `path()` tells. Where only some
// files can be read directly, the others go through the page cache. The files need not outlive the
// queue. Memory it holds beyond the requests' buffers is below 64 KiB plus, for the pread paths,
// `depth` thread stacks (of which 16 KiB each are touched). Depth is clamped to [1, 64]; fewer
// threads than asked for are used where the system has no more. Errors OPEN, THREAD.
Result<std::unique_ptr<ReadQueue>> OpenReadQueue(std::span<const File* const> files,
                                                 const ReadQueueOptions& options,
                                                 SystemCalls& system = SystemCalls::Real());

// Whether an io_uring can be set up here.
bool UringIsAvailable();

}  // namespace tinyai
