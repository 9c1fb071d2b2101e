#include "run/executor.h"

#include <algorithm>
#include <cmath>

#include "base/catch_no_memory.h"
#include "base/checked.h"
#include "fmt/format.h"
#include "kernel/elementwise.h"
#include "os/clock.h"

namespace tinyai {
namespace {

constexpr auto kForever = std::chrono::hours(24 * 365);
// How long reads that the kernel holds may delay the end.
constexpr auto kStopGrace = std::chrono::milliseconds(200);

std::vector<const Timeline*> Borrow(const std::vector<std::unique_ptr<Timeline>>& owned) {
  std::vector<const Timeline*> out;
  out.reserve(owned.size());
  for (const auto& timeline : owned) out.push_back(timeline.get());
  return out;
}

}  // namespace

Result<std::unique_ptr<Executor>> Executor::Create(const Graph& graph, const Plan& plan,
                                                   const RopeFrequencies& frequencies,
                                                   Budget& budget, std::unique_ptr<ReadQueue> disk,
                                                   std::unique_ptr<ReadQueue> rows,
                                                   const ExecutorOptions& options) {
  TRY_ASSIGN(MemoryRegion arena,
             MemoryRegion::Allocate(budget, plan.memory.arena_bytes, "the arena"));
  return CreateIn(std::move(arena), graph, plan, frequencies, std::move(disk), std::move(rows),
                  options);
}

Result<std::unique_ptr<Executor>> Executor::CreateIn(MemoryRegion arena, const Graph& graph,
                                                     const Plan& plan,
                                                     const RopeFrequencies& frequencies,
                                                     std::unique_ptr<ReadQueue> disk,
                                                     std::unique_ptr<ReadQueue> rows,
                                                     const ExecutorOptions& options) {
  std::unique_ptr<Executor> executor(new Executor(graph, plan, frequencies, std::move(arena),
                                                  std::move(disk), std::move(rows), options));
  TRY(executor->StartThreads());
  return executor;
}

Executor::Executor(const Graph& graph, const Plan& plan, const RopeFrequencies& frequencies,
                   MemoryRegion arena, std::unique_ptr<ReadQueue> disk,
                   std::unique_ptr<ReadQueue> rows, const ExecutorOptions& options)
    : graph_(graph),
      plan_(plan),
      options_(options),
      arena_(std::move(arena)),
      disk_(std::move(disk)),
      rows_(std::move(rows)),
      runner_(graph, plan, frequencies, arena_.data()),
      barrier_(plan.workers) {
  tokens_.reserve(plan.chunk);
  for (uint32_t i = 0; i < plan.workers; ++i) workers_.push_back(std::make_unique<Timeline>());
  loader_ = std::make_unique<Loader>(plan, arena_.data(), *disk_, Borrow(workers_),
                                     options.io_timeout, options.recorder);
}

Executor::~Executor() {
  if (!StopThreads(kStopGrace)) arena_.Leak();
}

// False if the kernel still holds a read.
bool Executor::StopThreads(std::chrono::nanoseconds grace) {
  Cancel();
  threads_.clear();
  const bool disk_stopped = disk_->Stop(grace);
  const bool rows_stopped = rows_->Stop(grace);
  return disk_stopped && rows_stopped;
}

Result<MemoryRegion> Executor::TakeArena() {
  if (StopThreads(options_.io_timeout)) return std::move(arena_);
  return tinyai::Fail(ErrorCode::kCancelled, "IO_TIMEOUT",
                      fmt::format("the disk did not end a read within {} s",
                                  std::chrono::duration<double>(options_.io_timeout).count()));
}

Status Executor::StartThreads() {
  threads_.reserve(plan_.workers + 1);  // one that runs is always ours, to be stopped
  TRY_ASSIGN(Thread loader, Thread::Start({.name = "tinyai-disk"}, [this] { LoadUntilStopped(); }));
  threads_.push_back(std::move(loader));
  for (uint32_t i = 0; i < plan_.workers; ++i) {
    ThreadOptions options{.name = fmt::format("tinyai-cpu{}", i)};
    if (!options_.cpus.empty()) options.cpu = options_.cpus[i % options_.cpus.size()];
    TRY_ASSIGN(Thread worker, Thread::Start(options, [this, i] { Work(i); }));
    threads_.push_back(std::move(worker));
  }
  return {};
}

void Executor::Fail(Error error) {
  {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
  }
  loader_->Stop();
  rows_->Cancel();
  rows_timeline_.Stop();
  barrier_.Stop();
  started_.Stop();
  allowed_.Stop();
  for (const auto& worker : workers_) worker->Stop();
}

void Executor::Cancel() {
  Fail({ErrorCode::kCancelled, "CANCELLED", "the computation was cancelled"});
}

void Executor::LoadUntilStopped() {
  if (Status status = CatchNoMemory([&] { return loader_->Run(); }); !status) {
    Fail(std::move(status).error());
  }
}

Result<std::span<float>> Executor::RunPass(const Pass& pass) {
  TRY(Begin(pass));
  TRY(RunTo(plan_.queues[kCpuQueue].steps.size(), pass.inputs));
  if (!pass_.wants_logits || !graph_.is_text()) return std::span<float>();
  TRY(CheckNumbers());
  return runner_.Logits();
}

Status Executor::Begin(const Pass& pass) {
  TRY(Failed());
  // Workers may still be looking at the pass after an error has ended it for the caller.
  tokens_.assign(pass.tokens.begin(), pass.tokens.end());
  inputs_.assign(graph_.inputs.size(), nullptr);
  pass_ = pass;
  pass_.tokens = tokens_;
  pass_.inputs = inputs_;
  runner_.Prepare(pass_);
  loader_->Announce(passes_, pass_.wants_logits);
  started_.Advance(++passes_);
  if (Status read = ReadRows(pass_); !read) {
    Fail(std::move(read).error());
    return Failed();
  }
  rows_timeline_.Advance(passes_ * plan_.queues[kRowsQueue].steps.size());
  return {};
}

// Waits go on as planned, since later ones count on them.
Status Executor::GiveUpPass() {
  given_up_.store(true);
  const Status ended = RunTo(plan_.queues[kCpuQueue].steps.size());
  given_up_.store(false);
  return ended;
}

Status Executor::RunTo(size_t cpu_steps, std::span<const float* const> inputs) {
  TRY(Failed());
  std::copy_n(inputs.begin(), std::min(inputs.size(), inputs_.size()), inputs_.begin());
  const uint64_t finished = (passes_ - 1) * plan_.queues[kCpuQueue].steps.size() + cpu_steps;
  allowed_.Advance(finished);
  for (const auto& worker : workers_) {
    if (!worker->WaitFor(finished, kForever)) TRY(Failed());
  }
  return {};
}

void Executor::Discard(ValueId id) {
  const PlanBuffer& buffer = plan_.buffer(plan_.value_buffers[Index(id)]);
  arena_.DiscardInside(buffer.offset, buffer.bytes);
}

Status Executor::Failed() const {
  const std::lock_guard lock(error_mutex_);
  if (error_) return tl::unexpected<Error>(*error_);
  return {};
}

Status Executor::CheckNumbers() const {
  const std::span<const float> logits = runner_.Logits();
  if (runner_.first_bad_layer() >= 0) {
    return tinyai::Fail(ErrorCode::kOther, "NUMERIC_NAN",
                        fmt::format("a hidden state is no finite number after layer {}; `tinyai "
                                    "verify` tells whether a weight is at fault",
                                    runner_.first_bad_layer()));
  }
  const auto is_nan = [](float logit) { return std::isnan(logit); };
  if (AllFinite(logits) || std::none_of(logits.begin(), logits.end(), is_nan)) return {};
  return tinyai::Fail(ErrorCode::kOther, "NUMERIC_NAN",
                      "a logit is no number, though every layer's result was; `tinyai verify` "
                      "tells whether a weight of the output is at fault");
}

// The DISK.rows queue, on the caller's thread: its reads depend on the tokens, so nothing is gained
// by running ahead.
Status Executor::ReadRows(const Pass& pass) {
  const std::vector<Step>& steps = plan_.queues[kRowsQueue].steps;
  for (uint32_t at = 0; at < steps.size(); ++at) {
    const auto& load = std::get<step::LoadRows>(steps[at].work);
    const int64_t begin_ns = options_.recorder != nullptr ? MonotonicNs() : 0;
    const Weight& table = graph_.weight(load.table);
    const uint64_t block = plan_.io_alignment;
    for (size_t row = 0; row < pass.tokens.size(); ++row) {
      const uint64_t begin =
          table.offset + static_cast<uint64_t>(pass.tokens[row]) * table.row_bytes();
      const uint64_t first = RoundDown(begin, block);
      const uint64_t bytes = RoundUp(begin + table.row_bytes(), block) - first;
      if (rows_->in_flight() == rows_->depth()) TRY(rows_->Wait(options_.io_timeout));
      std::byte* data = arena_.data() + plan_.buffer(load.staging).offset + row * load.stride;
      TRY(rows_->Submit({table.part, first, data, bytes, row}));
      row_bytes_ += bytes;
    }
    while (rows_->in_flight() > 0) TRY(rows_->Wait(options_.io_timeout));
    if (options_.recorder != nullptr) {
      options_.recorder->Record(
          kRowsQueue,
          {.begin_ns = begin_ns, .end_ns = MonotonicNs(), .step = at, .pass = passes_ - 1});
    }
  }
  return {};
}

void Executor::Work(uint32_t worker) {
  const Status worked = CatchNoMemory([&]() -> Status {
    for (uint64_t number = 0; started_.WaitFor(number + 1, kForever); ++number) {
      if (!WorkThroughPass(worker, number)) break;
    }
    return {};
  });
  if (!worked) Fail(worked.error());
}

bool Executor::WorkThroughPass(uint32_t worker, uint64_t number) {
  const std::vector<Step>& steps = plan_.queues[kCpuQueue].steps;
  Timeline& done = *workers_[worker];
  Recorder* const recorder = worker == 0 ? options_.recorder : nullptr;
  for (size_t at = 0; at < steps.size(); ++at) {
    const Step& step = steps[at];
    if (!allowed_.WaitFor(number * steps.size() + at + 1, kForever)) return false;
    const bool left_out = step.logits_only && !pass_.wants_logits;
    if (!left_out) {
      const int64_t asked_ns = recorder != nullptr ? MonotonicNs() : 0;
      if (!WaitForSyncs(step, worker, number)) return false;
      const int64_t ready_ns = recorder != nullptr ? MonotonicNs() : 0;
      if (step.joins && !barrier_.Wait()) return false;
      const int64_t begin_ns = recorder != nullptr ? MonotonicNs() : 0;
      if (!given_up_.load(std::memory_order_relaxed))
        runner_.Run(at, std::get<step::Run>(step.work), pass_, worker);
      if (recorder != nullptr) {
        recorder->Record(kCpuQueue, {.begin_ns = begin_ns,
                                     .end_ns = MonotonicNs(),
                                     .stalled_us = Microseconds(ready_ns - asked_ns),
                                     .step = static_cast<uint32_t>(at),
                                     .pass = number});
      }
    }
    done.Advance(number * steps.size() + at + 1);
  }
  return true;
}

bool Executor::WaitForSyncs(const Step& step, uint32_t worker, uint64_t number) {
  for (const Sync& sync : step.syncs) {
    if (sync.distance > number) continue;
    const Fence& fence = plan_.fences[Index(sync.fence)];
    const uint64_t target =
        (number - sync.distance) * plan_.queues[fence.queue].steps.size() + fence.step + 1;
    const Timeline& other = fence.queue == kDiskQueue ? loader_->timeline() : rows_timeline_;
    if (other.value() >= target) continue;
    const auto begin = std::chrono::steady_clock::now();
    if (!other.WaitFor(target, kForever)) return false;
    if (worker != 0) continue;
    const auto waited = std::chrono::steady_clock::now() - begin;
    stall_ns_.fetch_add(std::chrono::nanoseconds(waited).count(), std::memory_order_relaxed);
  }
  return true;
}

bool Executor::resident_loaded() const {
  return loader_->timeline().value() >= plan_.queues[kDiskQueue].steps.size();
}

ExecutorStats Executor::stats() const {
  return {.streamed_bytes = loader_->streamed_bytes(),
          .once_bytes = loader_->once_bytes(),
          .row_bytes = row_bytes_,
          .stall = std::chrono::nanoseconds(stall_ns_.load(std::memory_order_relaxed)),
          .passes = passes_};
}

}  // namespace tinyai
