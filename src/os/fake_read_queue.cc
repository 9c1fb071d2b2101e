#include "os/fake_read_queue.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tinyai {
namespace {

constexpr int kFill = 0xA5;

tl::unexpected<Error> Cancelled() {
  return Fail(ErrorCode::kCancelled, "CANCELLED", "reading was cancelled");
}

}  // namespace

Status FakeReadQueue::Submit(const ReadRequest& request) {
  assert(in_flight() < depth() && request.file < files_.size());
  assert(request.offset % alignment() == 0 && request.size % alignment() == 0);
  std::memset(request.data, kFill, request.size);
  pending_.push_back({submitted_++, request});
  submitted_bytes_ += request.size;
  return {};
}

Result<uint64_t> FakeReadQueue::Wait(std::chrono::nanoseconds timeout) {
  assert(in_flight() > 0);
  std::vector<size_t> ready;
  for (size_t i = 0; i < pending_.size(); ++i) {
    if (!options_.stuck.contains(pending_[i].number)) ready.push_back(i);
  }
  const bool late = ready.empty() || options_.delay > timeout;
  if (SleepUnlessCancelled(late ? timeout : options_.delay)) return Cancelled();
  if (late) return Fail(ErrorCode::kCancelled, "IO_TIMEOUT", "the disk did not answer");

  const auto chosen = pending_.begin() + static_cast<ptrdiff_t>(ready[random_() % ready.size()]);
  const Pending done = *chosen;
  pending_.erase(chosen);
  const auto failure = options_.failures.find(done.number);
  if (failure != options_.failures.end()) return tl::unexpected(failure->second);
  const std::string& file = files_[done.request.file];
  if (done.request.offset < file.size()) {
    std::memcpy(done.request.data, file.data() + done.request.offset,
                std::min<uint64_t>(done.request.size, file.size() - done.request.offset));
  }
  return done.request.tag;
}

void FakeReadQueue::Cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  cancel_.notify_all();
}

bool FakeReadQueue::Stop(std::chrono::nanoseconds) {
  Cancel();
  const bool stuck = std::ranges::any_of(
      pending_, [&](const Pending& read) { return options_.stuck.contains(read.number); });
  pending_.clear();
  return !stuck;
}

bool FakeReadQueue::SleepUnlessCancelled(std::chrono::nanoseconds time) {
  std::unique_lock lock(mutex_);
  return cancel_.wait_for(lock, time, [&] { return cancelled_; });
}

}  // namespace tinyai
