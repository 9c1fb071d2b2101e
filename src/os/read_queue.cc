#include "os/read_queue.h"

#include <algorithm>

#include "fmt/format.h"
#include "os/read_queue_paths.h"

namespace tinyai {
namespace {

constexpr uint32_t kMostDepth = 64;

Result<std::vector<ReadTarget>> OpenTargets(std::span<const File* const> files, bool direct,
                                            SystemCalls& system) {
  std::vector<ReadTarget> targets;
  targets.reserve(files.size());
  for (const File* file : files) {
    TRY_ASSIGN(targets.emplace_back(), ReadTarget::Open(*file, direct, system));
  }
  return targets;
}

}  // namespace

Result<std::unique_ptr<ReadQueue>> OpenReadQueue(std::span<const File* const> files,
                                                 const ReadQueueOptions& options,
                                                 SystemCalls& system) {
  const uint32_t depth = std::clamp(options.depth, 1u, kMostDepth);
  TRY_ASSIGN(std::vector<ReadTarget> targets,
             OpenTargets(files, options.path != IoPath::kBuffered, system));
  const bool any_direct = std::ranges::any_of(targets, &ReadTarget::is_direct);
  if (any_direct && options.path != IoPath::kDirect) {
    if (auto queue = OpenUringQueue(targets, depth, system)) return queue;
  }
  return OpenThreadedQueue(std::move(targets), depth, system);
}

bool UringIsAvailable() {
  std::vector<ReadTarget> none;
  return OpenUringQueue(none, 1, SystemCalls::Real()).has_value();
}

tl::unexpected<Error> ReadTimedOut(std::chrono::nanoseconds timeout, const std::string& label) {
  return FailAt(ErrorCode::kCancelled, "IO_TIMEOUT",
                fmt::format("the disk did not answer within {:.1f} s; raise --io-timeout if it is "
                            "only slow",
                            std::chrono::duration<double>(timeout).count()),
                label);
}

tl::unexpected<Error> ReadCancelled() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "reading was cancelled");
}

}  // namespace tinyai
