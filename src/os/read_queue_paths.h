#pragma once

#include <memory>
#include <vector>

#include "os/read_queue.h"
#include "os/read_target.h"
#include "os/system_calls.h"

// The ways to read that OpenReadQueue chooses from; nobody else includes this.
namespace tinyai {

// io_uring. Error IO_URING (unsupported) where the system or the build has none; `targets` are
// moved from only on success.
Result<std::unique_ptr<ReadQueue>> OpenUringQueue(std::vector<ReadTarget>& targets, uint32_t depth,
                                                  SystemCalls& system);

// pread on `depth` threads: O_DIRECT for the targets that take it, for the others the page cache.
// Error THREAD.
Result<std::unique_ptr<ReadQueue>> OpenThreadedQueue(std::vector<ReadTarget> targets,
                                                     uint32_t depth, SystemCalls& system);

// What Wait returns in these cases.
tl::unexpected<Error> ReadTimedOut(std::chrono::nanoseconds timeout, const std::string& label);
tl::unexpected<Error> ReadCancelled();

}  // namespace tinyai
