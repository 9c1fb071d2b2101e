#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "engine/drift.h"
#include "engine/model.h"
#include "engine/session_plan.h"
#include "run/executor.h"
#include "run/recorder.h"

namespace tinyai {

struct SessionStats {
  ExecutorStats run;
  IoPath io_path = IoPath::kAuto;
  uint64_t budget_bytes = 0;
  uint64_t counted_peak_bytes = 0;
  uint64_t resident_weight_bytes = 0;
  uint64_t replans = 0;  // what was measured contradicted the plan, and there is another one since
};

// A model that runs: its cache, its arena, its threads; a conversation with it, or passes of a
// layer graph. One thread at a time uses it; Cancel may be called from any.
class Session {
 public:
  // Takes all the memory of the plan at once and starts reading weights. `process` is the budget
  // that everything is charged to; it outlives the session. Errors of the plan's execution:
  // BUDGET_EXCEEDED, OUT_OF_MEMORY, OPEN, THREAD.
  static Result<std::unique_ptr<Session>> Open(std::shared_ptr<const Model> model, SessionPlan plan,
                                               Budget& process);

  // Puts tokens into the context, in chunks of the plan. Returns the logits of the last one, valid
  // and writable until the next call. `progress` hears the number of tokens done after each chunk;
  // false ends it there with CANCELLED, and what was done stays in the context.
  // Where the passes before contradict the plan (engine/drift.h), it first makes another one for
  // the rates that were measured, in the same memory; the context stays, and so do all results.
  // Errors CONTEXT_FULL (nothing was done), BAD_TOKEN, BUDGET_LIMIT_LOWERED (the cgroup's limit
  // fell below what is held), those of Executor::RunPass.
  Result<std::span<float>> Feed(std::span<const TokenId> tokens,
                                const std::function<bool(size_t)>& progress = {});
  // Of a layer graph: one pass over so many samples, at most plan().plan.chunk. `inputs`: by input
  // of the graph, the samples one after the other; only read by this call. Null: zeros. Errors:
  // BAD_BATCH, BUDGET_LIMIT_LOWERED, those of Executor::RunPass.
  Status RunSamples(uint64_t samples, std::span<const float* const> inputs);
  // What the pass has made: of output number `output` of the graph the row of a sample. Good until
  // the next pass.
  std::span<const float> Output(size_t output, uint64_t sample) const;

  // Forgets the context from its token `position` on, which there is.
  void Rewind(uint64_t position) { position_ = std::min(position_, position); }
  void Reset() { Rewind(0); }
  void Cancel();

  uint64_t position() const { return position_; }  // tokens in the context
  uint64_t context() const { return plan_->plan.context; }
  const SessionPlan& plan() const { return *plan_; }
  const Model& model() const { return *model_; }
  const Graph& graph() const { return plan_->GraphOf(*model_); }  // that the plan carries out
  bool resident_loaded() const { return executor_ != nullptr && executor_->resident_loaded(); }
  SessionStats stats() const;

  // Ends all threads and gives the arena back; from then on there are only plan(), model() and what
  // this returns: when the last steps ran, nullptr if the options did not ask for it.
  const Recorder* Stop();

 private:
  Session() = default;
  Status TakeFixed();
  Result<IoPath> ChooseIoPath();
  Status CheckLimit();
  void MakeCheckers();
  Result<std::unique_ptr<ReadQueue>> OpenQueue(uint32_t depth) const;
  ExecutorOptions RunOptions() const;
  Result<std::span<float>> RunMeasured(const Pass& pass);
  Status ReplanIfContradicted();
  Status ReplanFor(const Rates& rates);
  void Install(std::unique_ptr<Executor> executor);

  std::shared_ptr<const Model> model_;
  std::unique_ptr<SessionPlan> plan_;              // the executor borrows from it
  std::unique_ptr<Budget> model_budget_, budget_;  // process -> model -> session
  std::vector<Charge> fixed_;
  std::unique_ptr<Recorder> recorder_;  // of the bytes that `fixed_` counts
  std::vector<std::unique_ptr<BlockChecker>>
      checkers_;  // of the files; the executor's reads use them
  std::unique_ptr<Executor> executor_;
  std::mutex executor_mutex_;  // guards replacing executor_ and cancelled_ against Cancel
  bool cancelled_ = false;
  Drift drift_;
  uint64_t replans_ = 0;
  ExecutorStats earlier_;        // of executors before this one
  std::optional<Error> broken_;  // there is no executor any more
  IoPath io_path_ = IoPath::kAuto;
  uint64_t position_ = 0;
  std::chrono::steady_clock::time_point next_limit_check_{};
};

}  // namespace tinyai
