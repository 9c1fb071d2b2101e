#include "engine/session.h"

#include <algorithm>

#include "base/units.h"
#include "engine/checked_read_queue.h"
#include "fmt/format.h"
#include "os/cgroup.h"
#include "os/heap.h"
#include "os/machine.h"
#include "os/measure.h"
#include "os/read_queue.h"

namespace tinyai {
namespace {

// The probe of the I/O paths reads up to 64 MiB: no gain for a model that is itself read as fast.
constexpr uint64_t kWorthProbing = 256 * kMiB;

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
  const std::vector<const File*>& sources = session->model_->sources();
  TRY_ASSIGN(const IoPath path, session->ChooseIoPath());
  TRY_ASSIGN(std::unique_ptr<ReadQueue> disk,
             OpenReadQueue(sources, {.path = path, .depth = session->plan_->plan.io_depth}));
  TRY_ASSIGN(std::unique_ptr<ReadQueue> rows, OpenReadQueue(sources, {.path = path, .depth = 2}));
  session->io_path_ = disk->path();
  if (session->model_->file().checksums) {
    std::vector<BlockChecker*> checkers;
    for (uint32_t part = 0; part < sources.size(); ++part) {
      checkers.push_back(session->checkers_.emplace_back(session->model_->MakeChecker(part)).get());
    }
    disk = std::make_unique<CheckedReadQueue>(std::move(disk), checkers);
    rows = std::make_unique<CheckedReadQueue>(std::move(rows), checkers);
  }
  if (options.trace_bytes != 0) {
    session->recorder_ = std::make_unique<Recorder>(session->plan_->plan, options.trace_bytes);
  }
  TRY_ASSIGN(session->executor_, Executor::Create(session->model_->graph(), session->plan_->plan,
                                                  session->model_->rope(), *session->budget_,
                                                  std::move(disk), std::move(rows),
                                                  {.io_timeout = options.io_timeout,
                                                   .cpus = ComputeCpus(options),
                                                   .recorder = session->recorder_.get()}));
  return session;
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
                                       const std::function<void(size_t)>& progress) {
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
  std::span<float> logits;
  for (size_t done = 0; done < tokens.size();) {
    const size_t count = std::min<size_t>(tokens.size() - done, plan_->plan.chunk);
    const bool last = done + count == tokens.size();
    TRY(CheckLimit());
    TRY_ASSIGN(logits, executor_->RunPass({.tokens = tokens.subspan(done, count),
                                           .position = position_,
                                           .wants_logits = last}));
    done += count;
    position_ += count;
    if (progress) progress(done);
  }
  return logits;
}

const Recorder* Session::Stop() {
  executor_.reset();
  return recorder_.get();
}

SessionStats Session::stats() const {
  return {.run = executor_->stats(),
          .io_path = io_path_,
          .budget_bytes = plan_->budget_bytes,
          .counted_peak_bytes = model_budget_->peak_bytes(),
          .resident_weight_bytes = plan_->plan.resident_bytes};
}

}  // namespace tinyai
