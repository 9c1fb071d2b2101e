// Reads by pread on threads of the queue's own. The thread that waits talks to them through one
// state, shared so that a thread stuck in the kernel can be left behind.
#include <cassert>
#include <condition_variable>
#include <mutex>
#include <new>

#include "fmt/format.h"
#include "os/read_queue_paths.h"
#include "os/thread.h"

namespace tinyai {
namespace {

// A read needs a few KiB, an error message a few more.
constexpr size_t kStackBytes = 256 << 10;

struct Job {
  uint64_t tag = 0;
  const ReadTarget* target = nullptr;
  BlockRead read;
};

struct State {
  State(std::vector<ReadTarget> the_targets, uint32_t depth, SystemCalls& the_system)
      : targets(std::move(the_targets)), system(the_system) {
    waiting.reserve(depth);  // so that no allocation fails later
    finished.reserve(depth);
  }

  const std::vector<ReadTarget> targets;
  SystemCalls& system;
  std::mutex mutex;  // guards what follows
  std::condition_variable work, news;
  std::vector<Job> waiting;  // the first is next
  std::vector<Result<uint64_t>> finished;
  uint32_t running = 0;  // threads that are in a read
  bool cancelled = false;
};

Result<uint64_t> Read(Job& job, SystemCalls& system) {
  try {
    TRY(ReadNow(*job.target, job.read, system));
    return job.tag;
  } catch (const std::bad_alloc&) {  // of an error's text
    return Fail(ErrorCode::kOutOfMemory, "OUT_OF_MEMORY", {});
  }
}

void ReadJobs(State& state) {
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.work.wait(lock, [&] { return state.cancelled || !state.waiting.empty(); });
    if (state.cancelled) return;
    Job job = state.waiting.front();
    state.waiting.erase(state.waiting.begin());
    ++state.running;
    lock.unlock();
    Result<uint64_t> result = Read(job, state.system);
    lock.lock();
    --state.running;
    state.finished.push_back(std::move(result));
    state.news.notify_one();
  }
}

class ThreadedQueue final : public ReadQueue {
 public:
  ThreadedQueue(std::vector<ReadTarget> targets, uint32_t depth, SystemCalls& system)
      : state_(std::make_shared<State>(std::move(targets), depth, system)),
        alignment_(CommonAlignment(state_->targets)) {
    for (const ReadTarget& target : state_->targets) {
      if (target.is_direct()) path_ = IoPath::kDirect;
    }
  }
  ~ThreadedQueue() override {
    if (Stop(std::chrono::milliseconds(200))) return;
    for (Thread& thread : threads_) thread.Detach();
  }

  Status StartThreads(uint32_t count);

  IoPath path() const override { return path_; }
  uint32_t depth() const override { return static_cast<uint32_t>(threads_.size()); }
  uint64_t alignment() const override { return alignment_; }
  uint32_t in_flight() const override { return in_flight_; }
  Status Submit(const ReadRequest& request) override;
  Result<uint64_t> Wait(std::chrono::nanoseconds timeout) override;
  void Cancel() override;
  bool Stop(std::chrono::nanoseconds grace) override;

 private:
  const std::shared_ptr<State> state_;
  const uint64_t alignment_;
  IoPath path_ = IoPath::kBuffered;
  uint32_t in_flight_ = 0;
  std::vector<Thread> threads_;
};

Status ThreadedQueue::StartThreads(uint32_t count) {
  threads_.reserve(count);  // one that runs is always the queue's own, which ends it
  for (uint32_t i = 0; i < count; ++i) {
    const ThreadOptions options = {.name = fmt::format("read-{}", i), .stack_bytes = kStackBytes};
    Result<Thread> thread = Thread::Start(options, [state = state_] { ReadJobs(*state); });
    if (!thread) {
      if (i == 0) return tl::unexpected(std::move(thread).error());
      break;
    }
    threads_.push_back(std::move(*thread));
  }
  return {};
}

Status ThreadedQueue::Submit(const ReadRequest& request) {
  assert(in_flight_ < depth() && request.file < state_->targets.size());
  assert(request.offset % alignment_ == 0 && request.size % alignment_ == 0);
  const ReadTarget& target = state_->targets[request.file];
  {
    const std::lock_guard lock(state_->mutex);
    state_->waiting.push_back(
        {request.tag, &target, target.Read(request.offset, request.data, request.size)});
  }
  ++in_flight_;
  state_->work.notify_one();
  return {};
}

Result<uint64_t> ThreadedQueue::Wait(std::chrono::nanoseconds timeout) {
  assert(in_flight_ > 0);
  std::unique_lock lock(state_->mutex);
  const bool news = state_->news.wait_for(
      lock, timeout, [&] { return state_->cancelled || !state_->finished.empty(); });
  if (!news) return ReadTimedOut(timeout, state_->targets[0].label());
  if (state_->cancelled) return ReadCancelled();
  Result<uint64_t> result = std::move(state_->finished.front());
  state_->finished.erase(state_->finished.begin());
  --in_flight_;
  return result;
}

void ThreadedQueue::Cancel() {
  const std::lock_guard lock(state_->mutex);
  state_->cancelled = true;
  state_->work.notify_all();
  state_->news.notify_all();
}

bool ThreadedQueue::Stop(std::chrono::nanoseconds grace) {
  Cancel();
  std::unique_lock lock(state_->mutex);
  state_->waiting.clear();
  return state_->news.wait_for(lock, grace, [&] { return state_->running == 0; });
}

}  // namespace

Result<std::unique_ptr<ReadQueue>> OpenThreadedQueue(std::vector<ReadTarget> targets,
                                                     uint32_t depth, SystemCalls& system) {
  auto queue = std::make_unique<ThreadedQueue>(std::move(targets), depth, system);
  TRY(queue->StartThreads(depth));
  return queue;
}

}  // namespace tinyai
