#include "engine/session.h"

#include <algorithm>

#include "base/checked.h"
#include "base/units.h"
#include "engine/checked_read_queue.h"
#include "fmt/format.h"
#include "os/cgroup.h"
#include "os/heap.h"
#include "os/machine.h"
#include "os/measure.h"
#include "os/program_pages.h"
#include "os/read_queue.h"
#include "run/move_caches.h"

namespace tinyai {
namespace {

// The probe of the I/O paths reads up to 64 MiB: no gain for a model that is itself read as fast.
constexpr uint64_t kWorthProbing = 256 * kMiB;

constexpr uint32_t kRowsDepth = 2;

// A machine that changes all the time is not worth reading the weights again all the time.
constexpr uint64_t kMostReplans = 3;

// Reading the limit takes some tens of microseconds.
constexpr auto kLimitCheckInterval = std::chrono::milliseconds(250);

// Compute threads stay on their cores, one each, where there are enough.
std::vector<uint32_t> ComputeCpus(const SessionOptions& options) {
  if (!options.cpus.empty()) return options.cpus;
  std::vector<uint32_t> cpus = OneCpuPerCore(AllowedCpus());
  if (cpus.size() < options.threads) cpus = AllowedCpus();
  if (cpus.size() < options.threads) cpus.clear();
  return cpus;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::Open(std::shared_ptr<const Model> model, SessionPlan plan,
                                               Budget& process) {
  std::unique_ptr<Session> session(new Session());
  session->model_ = std::move(model);
  session->plan_ = std::make_unique<SessionPlan>(std::move(plan));
  const SessionOptions& options = session->plan_->options;
  session->model_budget_ =
      std::make_unique<Budget>("model", session->plan_->budget_bytes, &process);
  session->budget_ = std::make_unique<Budget>("session", session->plan_->budget_bytes,
                                              session->model_budget_.get());
  TRY(session->TakeFixed());
  ReturnFreedMemory();
  ReadProgramByThePage();
  TRY_ASSIGN(session->io_path_, session->ChooseIoPath());
  session->MakeCheckers();
  TRY_ASSIGN(std::unique_ptr<ReadQueue> disk, session->OpenQueue(session->plan_->plan.io_depth));
  TRY_ASSIGN(std::unique_ptr<ReadQueue> rows, session->OpenQueue(kRowsDepth));
  session->io_path_ = disk->path();
  if (options.trace_bytes != 0) {
    session->recorder_ = std::make_unique<Recorder>(session->plan_->plan, options.trace_bytes);
  }
  TRY_ASSIGN(
      std::unique_ptr<Executor> executor,
      Executor::Create(session->graph(), session->plan_->plan, session->model_->rope(),
                       *session->budget_, std::move(disk), std::move(rows), session->RunOptions()));
  session->Install(std::move(executor));
  ReturnFreedMemory();
  return session;
}

void Session::MakeCheckers() {
  if (!model_->file().checksums) return;
  for (uint32_t part = 0; part < model_->sources().size(); ++part) {
    checkers_.push_back(model_->MakeChecker(part));
  }
}

// A queue that reads the model's parts, and checks them where they have checksums.
Result<std::unique_ptr<ReadQueue>> Session::OpenQueue(uint32_t depth) const {
  TRY_ASSIGN(std::unique_ptr<ReadQueue> queue,
             OpenReadQueue(model_->sources(), {.path = io_path_, .depth = depth}));
  if (checkers_.empty()) return queue;
  std::vector<BlockChecker*> checkers;
  for (const std::unique_ptr<BlockChecker>& checker : checkers_) checkers.push_back(checker.get());
  return std::make_unique<CheckedReadQueue>(std::move(queue), std::move(checkers));
}

ExecutorOptions Session::RunOptions() const {
  return {.io_timeout = plan_->options.io_timeout,
          .cpus = ComputeCpus(plan_->options),
          .recorder = recorder_.get()};
}

void Session::Install(std::unique_ptr<Executor> executor) {
  drift_.Expect(plan_->report);
  const std::lock_guard lock(executor_mutex_);
  executor_ = std::move(executor);
  if (cancelled_) executor_->Cancel();
}

void Session::Cancel() {
  const std::lock_guard lock(executor_mutex_);
  cancelled_ = true;
  if (executor_) executor_->Cancel();
}

// Before the arena is taken: the probe's buffers are small beside it.
Result<IoPath> Session::ChooseIoPath() {
  const Plan& plan = plan_->plan;
  const IoPath asked = plan_->options.io_path;
  if (asked != IoPath::kAuto || plan.streamed_bytes + plan.resident_bytes < kWorthProbing) {
    return asked;
  }
  const File* largest =
      *std::max_element(model_->sources().begin(), model_->sources().end(),
                        [](const File* a, const File* b) { return a->size() < b->size(); });
  TRY_ASSIGN(const PathChoice choice, ChoosePath(*budget_, *largest, plan.io_depth));
  return choice.path;
}

// What the plan counts beside the arena: held already or by the system, so it is only counted.
Status Session::TakeFixed() {
  for (const Component& component : plan_->report.components) {
    if (component.held_by_arena) continue;
    Budget& holder = component.of_model ? *model_budget_ : *budget_;
    TRY_ASSIGN(fixed_.emplace_back(), Charge::Take(holder, component.bytes, component.name));
  }
  return {};
}

// The limit of the cgroup may be lowered while we run. What is held cannot shrink, so better an
// error between two passes than a kill in the middle of one.
Status Session::CheckLimit() {
  const auto now = std::chrono::steady_clock::now();
  if (plan_->options.force || now < next_limit_check_) return {};
  next_limit_check_ = now + kLimitCheckInterval;
  const uint64_t limit = ReadCgroup().memory_limit_bytes;
  if (limit == 0 || limit >= model_budget_->used_bytes()) return {};
  return Fail(
      ErrorCode::kOutOfMemory, "BUDGET_LIMIT_LOWERED",
      fmt::format("the limit of this process's cgroup was lowered to {} while {} are held; "
                  "start again with --memory {} or less",
                  FormatByteSize(limit), FormatByteSize(model_budget_->used_bytes()), limit));
}

Result<std::span<float>> Session::Feed(std::span<const TokenId> tokens,
                                       const std::function<bool(size_t)>& progress) {
  if (tokens.empty()) return Fail(ErrorCode::kUsage, "BAD_TOKEN", "there are no tokens");
  if (tokens.size() > context() - position_) {
    return Fail(ErrorCode::kUsage, "CONTEXT_FULL",
                fmt::format("{} tokens do not fit: {} of {} places of the context are taken; a "
                            "larger -c needs more memory",
                            tokens.size(), position_, context()));
  }
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<uint64_t>(token) >= model_->graph().vocabulary) {
      return Fail(ErrorCode::kUsage, "BAD_TOKEN",
                  fmt::format("token {} is not in the vocabulary of {}", token,
                              model_->graph().vocabulary));
    }
  }
  if (broken_) return tl::unexpected<Error>(*broken_);
  TRY(ReplanIfContradicted());
  std::span<float> logits;
  for (size_t done = 0; done < tokens.size();) {
    const size_t count = std::min<size_t>(tokens.size() - done, plan_->plan.chunk);
    const bool last = done + count == tokens.size();
    TRY(CheckLimit());
    TRY_ASSIGN(logits, RunMeasured({.tokens = tokens.subspan(done, count),
                                    .position = position_,
                                    .wants_logits = last}));
    done += count;
    position_ += count;
    if (progress && !progress(done) && !last) {
      return Fail(ErrorCode::kCancelled, "CANCELLED", "the caller stopped it within the prompt");
    }
  }
  return logits;
}

Status Session::RunSamples(uint64_t samples, std::span<const float* const> inputs) {
  if (!plan_->layers || samples == 0 || samples > plan_->plan.chunk) {
    return Fail(ErrorCode::kUsage, "BAD_BATCH",
                fmt::format("a pass of this plan has 1 to {} samples of a layer graph, not {}",
                            plan_->plan.chunk, samples));
  }
  if (broken_) return tl::unexpected<Error>(*broken_);
  TRY(CheckLimit());
  TRY(executor_->RunPass({.tokens = {}, .samples = samples, .inputs = inputs}));
  return {};
}

std::span<const float> Session::Output(size_t output, uint64_t sample) const {
  const ValueId id = graph().outputs[output];
  return executor_->Row(id, sample).first(graph().value(id).width);
}

// Passes over one token, as the plan's speed is of; not those in which weights that stay come in.
Result<std::span<float>> Session::RunMeasured(const Pass& pass) {
  if (pass.tokens.size() != 1 || !executor_->resident_loaded()) return executor_->RunPass(pass);
  const ExecutorStats before = executor_->stats();
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const std::span<float> logits, executor_->RunPass(pass));
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
  const ExecutorStats after = executor_->stats();
  drift_.Add({.seconds = time.count(),
              .stall_seconds = std::chrono::duration<double>(after.stall - before.stall).count(),
              .streamed_bytes = after.streamed_bytes - before.streamed_bytes});
  return logits;
}

// A plan that a user has made is not ours to change, nor does another one help where all weights
// stay: then what was measured is only told. So it is where keys and values lie on a device, since
// they would have to be moved.
Status Session::ReplanIfContradicted() {
  const bool may = !plan_->adopted && !plan_->options.force && recorder_ == nullptr &&
                   plan_->plan.streamed_bytes != 0 && !plan_->plan.device &&
                   replans_ < kMostReplans;
  if (!may) return {};
  const std::optional<Rates> rates = drift_.Contradiction(plan_->purpose.rates);
  if (!rates) return {};
  Status status = ReplanFor(*rates);
  if (!status) broken_ = status.error();
  return status;
}

// The context is all that is kept of the arena while it is planned, so that planning has room. If
// there is no other plan, this one goes on.
Status Session::ReplanFor(const Rates& rates) {
  const ExecutorStats done = stats().run;
  std::unique_ptr<Executor> old;
  {
    const std::lock_guard lock(executor_mutex_);
    old = std::move(executor_);
  }
  earlier_ = done;
  TRY_ASSIGN(MemoryRegion arena, old->TakeArena());
  old.reset();
  const PackedCaches packed = PackCaches(plan_->plan, arena.data());
  const uint64_t kept = RoundUp(packed.bytes, plan_->plan.io_alignment);
  if (kept < arena.size()) arena.Discard(kept, arena.size() - kept);
  Result<SessionPlan> planned = PlanAgain(*model_, *plan_, rates, arena.size());
  ++replans_;
  if (planned) {
    fixed_.clear();
    arena.Shrink(planned->plan.memory.arena_bytes);
    plan_ = std::make_unique<SessionPlan>(std::move(*planned));
    TRY(TakeFixed());
  } else {
    Reconsider(*model_, rates, *plan_);
  }
  ReturnFreedMemory();
  SpreadCaches(plan_->plan, packed, arena.data());
  TRY_ASSIGN(std::unique_ptr<ReadQueue> disk, OpenQueue(plan_->plan.io_depth));
  TRY_ASSIGN(std::unique_ptr<ReadQueue> rows, OpenQueue(kRowsDepth));
  TRY_ASSIGN(std::unique_ptr<Executor> executor,
             Executor::CreateIn(std::move(arena), graph(), plan_->plan, model_->rope(),
                                std::move(disk), std::move(rows), RunOptions()));
  Install(std::move(executor));
  return {};
}

const Recorder* Session::Stop() {
  executor_.reset();
  return recorder_.get();
}

SessionStats Session::stats() const {
  ExecutorStats run = executor_ ? executor_->stats() : ExecutorStats();
  run.streamed_bytes += earlier_.streamed_bytes;
  run.once_bytes += earlier_.once_bytes;
  run.row_bytes += earlier_.row_bytes;
  run.stall += earlier_.stall;
  run.passes += earlier_.passes;
  return {.run = run,
          .io_path = io_path_,
          .budget_bytes = plan_->budget_bytes,
          .counted_peak_bytes = model_budget_->peak_bytes(),
          .resident_weight_bytes = plan_->plan.resident_bytes,
          .replans = replans_};
}

}  // namespace tinyai
