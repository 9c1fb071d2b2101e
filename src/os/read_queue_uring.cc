// Reads by io_uring: the kernel works on them while nobody waits, without threads of ours.
#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"
#include "os/read_queue_paths.h"

namespace tinyai {
namespace {

using Clock = std::chrono::steady_clock;

// Values of user_data that are no slot's index.
constexpr uint64_t kCancelled = ~uint64_t{0};
constexpr uint64_t kIgnored = ~uint64_t{1};
constexpr int kMostSubmitRetries = 1000;

struct Slot {
  bool busy = false;
  uint64_t tag = 0;
  const ReadTarget* target = nullptr;
  BlockRead read;
};

tl::unexpected<Error> NoUring(int error_number) {
  return Fail(ErrorCode::kUnsupported, "IO_URING",
              fmt::format("io_uring is not available: {}", std::strerror(error_number)));
}

class UringQueue final : public ReadQueue {
 public:
  UringQueue(uint32_t depth, SystemCalls& system) : system_(system), slots_(depth) {}
  ~UringQueue() override;

  Status SetUp();
  // Before the first Submit.
  void SetTargets(std::vector<ReadTarget> targets) {
    targets_ = std::move(targets);
    alignment_ = CommonAlignment(targets_);
  }

  IoPath path() const override { return IoPath::kUring; }
  uint32_t depth() const override { return static_cast<uint32_t>(slots_.size()); }
  uint64_t alignment() const override { return alignment_; }
  uint32_t in_flight() const override { return in_flight_; }
  Status Submit(const ReadRequest& request) override;
  Result<uint64_t> Wait(std::chrono::nanoseconds timeout) override;
  void Cancel() override;
  bool Stop(std::chrono::nanoseconds grace) override;

 private:
  struct Completion {
    uint64_t user_data;
    int32_t result;
  };

  Status Issue(uint32_t slot);
  int SubmitAll();
  // Nothing if `deadline` passes first.
  Result<std::optional<Completion>> NextCompletion(Clock::time_point deadline);
  // True if the slot's request is finished, false if it had to be issued again.
  Result<bool> Complete(uint32_t slot, int32_t result);
  void Release(uint32_t slot);

  SystemCalls& system_;
  std::vector<Slot> slots_;
  std::vector<ReadTarget> targets_;
  uint64_t alignment_ = 0;
  uint32_t in_flight_ = 0;
  io_uring ring_ = {};
  bool has_ring_ = false;
  UniqueFd cancel_event_;
  std::atomic<bool> cancelled_ = false;
};

UringQueue::~UringQueue() {
  if (!has_ring_) return;
  Stop(std::chrono::milliseconds(200));
  // The kernel finishes what is left after the ring is closed; nobody waits for that.
  ::io_uring_queue_exit(&ring_);
}

Status UringQueue::SetUp() {
  if (const int error = system_.UringAllowed(); error < 0) return NoUring(-error);
  // One entry more for the poll of cancel_event_, as many again to cancel each at the end. The
  // completion ring is twice as long, so it cannot overflow.
  const unsigned entries = 2 * depth() + 1;
  if (const int error = ::io_uring_queue_init(entries, &ring_, 0); error < 0) {
    return NoUring(-error);
  }
  has_ring_ = true;
  // Without this feature (Linux 5.11) a wait with a timeout would need an entry of its own.
  if ((ring_.features & IORING_FEAT_EXT_ARG) == 0) return NoUring(ENOSYS);
  ::io_uring_ring_dontfork(&ring_);
  cancel_event_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!cancel_event_) return NoUring(errno);
  io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
  ::io_uring_prep_poll_add(entry, cancel_event_.get(), POLLIN);
  ::io_uring_sqe_set_data64(entry, kCancelled);
  if (const int error = SubmitAll(); error < 0) return NoUring(-error);
  return {};
}

Status UringQueue::Submit(const ReadRequest& request) {
  assert(in_flight_ < depth() && request.file < targets_.size());
  assert(request.offset % alignment_ == 0 && request.size % alignment_ == 0);
  uint32_t index = 0;
  while (slots_[index].busy) ++index;
  const ReadTarget& target = targets_[request.file];
  slots_[index] = {.busy = true,
                   .tag = request.tag,
                   .target = &target,
                   .read = target.Read(request.offset, request.data, request.size)};
  ++in_flight_;
  return Issue(index);
}

// After an error the kernel may have the entry or not, so the slot stays busy and Stop tells.
Status UringQueue::Issue(uint32_t index) {
  const Slot& slot = slots_[index];
  io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
  assert(entry != nullptr);
  if (slot.read.finished()) {
    ::io_uring_prep_nop(entry);  // nothing to read before the end of the file
  } else {
    ::io_uring_prep_read(entry, slot.target->descriptor(slot.read), slot.read.data(),
                         static_cast<unsigned>(slot.read.size()),
                         slot.target->disk_offset(slot.read));
  }
  ::io_uring_sqe_set_data64(entry, index);
  const int error = SubmitAll();
  if (error >= 0) return {};
  return FailAt(ErrorCode::kIo, "IO_READ",
                fmt::format("io_uring takes no requests: {}", std::strerror(-error)),
                slot.target->label(), slot.read.offset());
}

int UringQueue::SubmitAll() {
  int result = 0;
  for (int i = 0; i < kMostSubmitRetries; ++i) {
    result = ::io_uring_submit(&ring_);
    if (result != -EINTR && result != -EAGAIN && result != -EBUSY) break;
  }
  return result;
}

Result<uint64_t> UringQueue::Wait(std::chrono::nanoseconds timeout) {
  assert(in_flight_ > 0);
  const Clock::time_point deadline = Clock::now() + timeout;
  for (;;) {
    if (cancelled_.load(std::memory_order_relaxed)) return ReadCancelled();
    TRY_ASSIGN(const std::optional<Completion> completion, NextCompletion(deadline));
    if (!completion) return ReadTimedOut(timeout, targets_[0].label());
    if (completion->user_data >= slots_.size()) continue;  // Cancel has set the flag
    const uint32_t index = static_cast<uint32_t>(completion->user_data);
    TRY_ASSIGN(const bool finished, Complete(index, completion->result));
    if (finished) return slots_[index].tag;
  }
}

Result<std::optional<UringQueue::Completion>> UringQueue::NextCompletion(
    Clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::max(std::chrono::nanoseconds(0), std::chrono::nanoseconds(deadline - Clock::now()));
    __kernel_timespec time = {.tv_sec = left.count() / 1'000'000'000,
                              .tv_nsec = left.count() % 1'000'000'000};
    io_uring_cqe* entry = nullptr;
    const int error = ::io_uring_wait_cqe_timeout(&ring_, &entry, &time);
    if (error == -ETIME) return std::nullopt;
    if (error == -EINTR || error == -EAGAIN) {
      if (left.count() == 0) return std::nullopt;
      continue;
    }
    if (error < 0) {
      return FailAt(ErrorCode::kIo, "IO_READ",
                    fmt::format("waiting for io_uring failed: {}", std::strerror(-error)),
                    targets_[0].label());
    }
    const Completion completion = {entry->user_data, entry->res};
    ::io_uring_cqe_seen(&ring_, entry);
    return completion;
  }
}

Result<bool> UringQueue::Complete(uint32_t index, int32_t result) {
  Slot& slot = slots_[index];
  if (!slot.read.finished()) {
    if (Status advanced = slot.read.Advance(system_.UringResult(result)); !advanced) {
      Release(index);
      return tl::unexpected(std::move(advanced).error());
    }
    if (!slot.read.finished()) {
      TRY(Issue(index));
      return false;
    }
  }
  Release(index);
  TRY(slot.target->Finish(slot.read));
  return true;
}

void UringQueue::Release(uint32_t index) {
  slots_[index].busy = false;
  --in_flight_;
}

void UringQueue::Cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(cancel_event_.get(), &one, sizeof(one));
}

bool UringQueue::Stop(std::chrono::nanoseconds grace) {
  Cancel();
  const Clock::time_point deadline = Clock::now() + grace;
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    io_uring_sqe* const entry = slots_[i].busy ? ::io_uring_get_sqe(&ring_) : nullptr;
    if (entry == nullptr) continue;
    ::io_uring_prep_cancel64(entry, i, 0);
    ::io_uring_sqe_set_data64(entry, kIgnored);
  }
  SubmitAll();
  while (in_flight_ > 0) {
    const Result<std::optional<Completion>> completion = NextCompletion(deadline);
    if (!completion || !*completion) return false;
    if ((*completion)->user_data < slots_.size()) {
      Release(static_cast<uint32_t>((*completion)->user_data));
    }
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<ReadQueue>> OpenUringQueue(std::vector<ReadTarget>& targets, uint32_t depth,
                                                  SystemCalls& system) {
  auto queue = std::make_unique<UringQueue>(depth, system);
  TRY(queue->SetUp());
  queue->SetTargets(std::move(targets));
  return queue;
}

}  // namespace tinyai
