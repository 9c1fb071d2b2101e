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

// How long reads that the kernel holds may delay the end.
constexpr auto kStopGrace = std::chrono::milliseconds(200);

}  // namespace

Result<std::unique_ptr<Executor>> Executor::Create(const Graph& graph, const Plan& plan,
                                                   const RopeFrequencies& frequencies,
                                                   Budget& budget, std::unique_ptr<ReadQueue> disk,
                                                   std::unique_ptr<ReadQueue> rows,
                                                   const ExecutorOptions& options) {
  Arenas arenas;
  TRY_ASSIGN(arenas.ram, MemoryRegion::Allocate(budget, plan.memory.arena_bytes, "the arena"));
  if (plan.device) {
    const PlanMemory& memory = plan.device->memory;
    TRY_ASSIGN(arenas.device, MemoryRegion::Allocate(budget, memory.arena_bytes, memory.name));
  }
  return CreateIn(std::move(arenas), graph, plan, frequencies, std::move(disk), std::move(rows),
                  options);
}

Result<std::unique_ptr<Executor>> Executor::CreateIn(MemoryRegion arena, const Graph& graph,
                                                     const Plan& plan,
                                                     const RopeFrequencies& frequencies,
                                                     std::unique_ptr<ReadQueue> disk,
                                                     std::unique_ptr<ReadQueue> rows,
                                                     const ExecutorOptions& options) {
  return CreateIn(Arenas{std::move(arena), {}}, graph, plan, frequencies, std::move(disk),
                  std::move(rows), options);
}

Result<std::unique_ptr<Executor>> Executor::CreateIn(Arenas arenas, const Graph& graph,
                                                     const Plan& plan,
                                                     const RopeFrequencies& frequencies,
                                                     std::unique_ptr<ReadQueue> disk,
                                                     std::unique_ptr<ReadQueue> rows,
                                                     const ExecutorOptions& options) {
  std::unique_ptr<Executor> executor(new Executor(graph, plan, frequencies, std::move(arenas),
                                                  std::move(disk), std::move(rows), options));
  if (plan.spills()) {
    TRY_ASSIGN(executor->scratch_, ScratchFile::Create(plan.scratch_bytes));
    executor->spiller_ =
        std::make_unique<Spiller>(graph, plan, executor->arena_.data(), *executor->scratch_,
                                  executor->clocks_, options.recorder);
    executor->clocks_.Add(kSpillQueue, executor->spiller_->timeline());
  }
  TRY(executor->StartThreads());
  return executor;
}

Executor::Executor(const Graph& graph, const Plan& plan, const RopeFrequencies& frequencies,
                   Arenas arenas, std::unique_ptr<ReadQueue> disk, std::unique_ptr<ReadQueue> rows,
                   const ExecutorOptions& options)
    : graph_(graph),
      plan_(plan),
      options_(options),
      arena_(std::move(arenas.ram)),
      device_arena_(std::move(arenas.device)),
      disk_(std::move(disk)),
      rows_(std::move(rows)),
      runner_(graph, plan, frequencies, options.tiling, arena_.data()),
      clocks_(plan),
      barrier_(plan.workers) {
  tokens_.reserve(plan.chunk);
  for (uint32_t i = 0; i < plan.workers; ++i) workers_.push_back(std::make_unique<Timeline>());
  const PlanArenas at = PlanArenas::Of(plan, arena_.data(), device_arena_.data());
  loader_ =
      std::make_unique<Loader>(plan, at, *disk_, clocks_, options.io_timeout, options.recorder);
  for (const auto& worker : workers_) clocks_.Add(kCpuQueue, *worker);
  clocks_.Add(kDiskQueue, loader_->timeline());
  clocks_.Add(kRowsQueue, rows_timeline_);
  if (!plan.device) return;
  device_ = std::make_unique<DeviceQueue>(
      graph, plan, frequencies, at, clocks_,
      DeviceQueue::Options{options.recorder, options.tiling, options.before_step});
  clocks_.Add(kDeviceQueue, device_->timeline());
}

Executor::~Executor() {
  if (StopThreads(kStopGrace)) return;
  arena_.Leak();
  if (device_) device_arena_.Leak();
}

// False if the kernel still holds a read.
bool Executor::StopThreads(std::chrono::nanoseconds grace) {
  Cancel();
  compute_threads_.clear();
  io_threads_.clear();
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
  // One that runs is always ours, to be stopped.
  io_threads_.reserve(2);
  compute_threads_.reserve(plan_.workers + 1);
  TRY_ASSIGN(Thread loader, Thread::Start({.name = "tinyai-disk"}, [this] { LoadUntilStopped(); }));
  io_threads_.push_back(std::move(loader));
  if (device_) {
    TRY_ASSIGN(Thread device, Thread::Start({.name = "tinyai-device"}, [this] { WorkAsDevice(); }));
    compute_threads_.push_back(std::move(device));
  }
  if (spiller_) {
    TRY_ASSIGN(Thread spiller,
               Thread::Start({.name = "tinyai-spill"}, [this] { SpillUntilStopped(); }));
    io_threads_.push_back(std::move(spiller));
  }
  for (uint32_t i = 0; i < plan_.workers; ++i) {
    ThreadOptions options{.name = fmt::format("tinyai-cpu{}", i)};
    if (!options_.cpus.empty()) options.cpu = options_.cpus[i % options_.cpus.size()];
    TRY_ASSIGN(Thread worker, Thread::Start(options, [this, i] { Work(i); }));
    compute_threads_.push_back(std::move(worker));
  }
  return {};
}

void Executor::Fail(Error error) {
  {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
  }
  loader_->Stop();
  if (device_) device_->Stop();
  if (spiller_) spiller_->Stop();
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

void Executor::SpillUntilStopped() {
  if (Status status = CatchNoMemory([&] { return spiller_->Run(); }); !status) {
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
  tokens_.assign(pass.tokens.begin(), pass.tokens.end());
  inputs_.assign(graph_.inputs.size(), nullptr);
  pass_ = pass;
  pass_.tokens = tokens_;
  pass_.inputs = inputs_;
  runner_.Prepare(pass_);
  loader_->Announce(passes_, pass_.wants_logits);
  if (spiller_) spiller_->Announce(pass_.rows());
  started_.Advance(++passes_);
  if (Status read = ReadRows(pass_); !read) {
    Fail(std::move(read).error());
    return EndInFailure();
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
    if (!worker->WaitFor(finished)) return EndInFailure();
  }
  // What the pass is for may come last from there; and the next pass is announced in its place.
  if (device_ && cpu_steps == plan_.queues[kCpuQueue].steps.size()) {
    const uint64_t steps = passes_ * plan_.queues[kDeviceQueue].steps.size();
    if (!device_->timeline().WaitFor(steps)) return EndInFailure();
  }
  return {};
}

Status Executor::EndInFailure() {
  for (Thread& thread : compute_threads_) thread.Join();
  return Failed();
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

int32_t Executor::FirstBadLayer() const {
  const int32_t here = runner_.first_bad_layer();
  const int32_t there = device_ ? device_->first_bad_layer() : -1;
  return here < 0 || (there >= 0 && there < here) ? there : here;
}

Status Executor::CheckNumbers() const {
  const std::span<const float> logits = runner_.Logits();
  const int32_t bad = FirstBadLayer();
  if (bad >= 0) {
    return tinyai::Fail(ErrorCode::kOther, "NUMERIC_NAN",
                        fmt::format("a hidden state is no finite number after layer {}; `tinyai "
                                    "verify` tells whether a weight is at fault",
                                    bad));
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
    for (uint64_t number = 0; started_.WaitFor(number + 1); ++number) {
      if (!WorkThroughPass(worker, number)) break;
    }
    return {};
  });
  if (!worked) Fail(worked.error());
}

void Executor::WorkAsDevice() {
  const Status worked = CatchNoMemory([&]() -> Status {
    device_->Run(started_, pass_);
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
    if (!allowed_.WaitFor(number * steps.size() + at + 1)) return false;
    const bool left_out = step.logits_only && !pass_.wants_logits;
    if (!left_out) {
      if (options_.before_step) options_.before_step(kCpuQueue);
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
    const std::optional<uint64_t> target = clocks_.Target(sync, number);
    const uint32_t queue = clocks_.queue_of(sync);
    if (!target || clocks_.Reached(queue, *target)) continue;
    const auto begin = std::chrono::steady_clock::now();
    if (!clocks_.WaitFor(queue, *target)) return false;
    if (worker != 0 || (device_ && queue == kDeviceQueue)) continue;
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
          .spilled_bytes = spiller_ ? spiller_->spilled_bytes() : 0,
          .fetched_bytes = spiller_ ? spiller_->fetched_bytes() : 0,
          .stall = std::chrono::nanoseconds(stall_ns_.load(std::memory_order_relaxed)),
          .passes = passes_};
}

}  // namespace tinyai
