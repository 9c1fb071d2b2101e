#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "graph/graph.h"
#include "os/memory_region.h"
#include "os/read_queue.h"
#include "os/thread.h"
#include "plan/plan.h"
#include "run/barrier.h"
#include "run/device_queue.h"
#include "run/loader.h"
#include "run/op_runner.h"
#include "run/pass.h"
#include "run/queue_clocks.h"
#include "run/recorder.h"
#include "run/spiller.h"
#include "run/timeline.h"

namespace tinyai {

struct ExecutorOptions {
  Tiling tiling;  // of products
  std::chrono::nanoseconds io_timeout = std::chrono::seconds(60);
  std::vector<uint32_t> cpus;    // worker i is pinned to cpus[i % size]; empty: not pinned
  Recorder* recorder = nullptr;  // hears of the first worker's steps, and all reads; outlives this
  // For tests, which hold queues up: called before the steps of the CPU queue, by every worker, and
  // before those of the device.
  std::function<void(uint32_t queue)> before_step;
};

struct ExecutorStats {
  uint64_t streamed_bytes = 0;        // asked of the disk for weights that are read in every pass
  uint64_t once_bytes = 0;            // for weights that stay
  uint64_t row_bytes = 0;             // for embedding rows
  uint64_t spilled_bytes = 0;         // written to the scratch file
  uint64_t fetched_bytes = 0;         // and read from there
  std::chrono::nanoseconds stall{0};  // the first worker waited for the disk
  uint64_t passes = 0;
};

// Carries out a plan, pass after pass, and decides nothing. Takes the arena once; starts one thread
// for the DISK queue, which begins to read at once, one per worker of the CPU queue, and one that
// stands for the device, if the plan has one; or, where the plan spills, a scratch file and a
// thread for DISK.spill. One thread at a time calls RunPass; Cancel may be called from any.
class Executor {
 public:
  // `graph`, `plan` and `budget` outlive it. `disk` and `rows` read the model's parts; their
  // alignment divides the plan's. Errors BUDGET_EXCEEDED, OUT_OF_MEMORY, THREAD, IO_WRITE.
  static Result<std::unique_ptr<Executor>> Create(const Graph& graph, const Plan& plan,
                                                  const RopeFrequencies& frequencies,
                                                  Budget& budget, std::unique_ptr<ReadQueue> disk,
                                                  std::unique_ptr<ReadQueue> rows,
                                                  const ExecutorOptions& options);
  // The same in an arena that another executor has left, at least as large as the plan's, which has
  // no device.
  static Result<std::unique_ptr<Executor>> CreateIn(MemoryRegion arena, const Graph& graph,
                                                    const Plan& plan,
                                                    const RopeFrequencies& frequencies,
                                                    std::unique_ptr<ReadQueue> disk,
                                                    std::unique_ptr<ReadQueue> rows,
                                                    const ExecutorOptions& options);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The logits of the chunk's last token if the pass wants them (valid until the next pass), else
  // an empty span. Errors of the reads (after one, every later pass gives the same), NUMERIC_NAN
  // (the first layer that went wrong since the last pass at position 0), CANCELLED.
  Result<std::span<float>> RunPass(const Pass& pass);

  // The same in parts: Begin, then RunTo with growing numbers of CPU steps up to all of them.
  // What `pass.inputs` points to may change from one part to the next: `inputs` are read by the
  // steps of this part only. Between two parts and until the next pass, Row gives what is in the
  // place of a value; whether that is the value itself the plan tells.
  Status Begin(const Pass& pass);
  Status RunTo(size_t cpu_steps, std::span<const float* const> inputs = {});
  // Ends the pass that has begun without computing the rest of it.
  Status GiveUpPass();
  bool failed() const { return !Failed(); }
  std::span<float> Row(ValueId id, uint64_t row) const { return runner_.Row(id, row); }
  // Between two parts: gives the memory of a value that nothing needs any more back to the system,
  // as whole pages, until something is written there again.
  void Discard(ValueId id);
  const std::byte* arena() const { return arena_.data(); }

  // Ends the pass under way and every later one with CANCELLED.
  void Cancel();

  // Ends all threads, for good, and gives the arena away as it is. Error IO_TIMEOUT if a read does
  // not end that may still write there.
  Result<MemoryRegion> TakeArena();

  // Whether every weight that stays has been read.
  bool resident_loaded() const;
  ExecutorStats stats() const;

 private:
  struct Arenas {
    MemoryRegion ram, device;
  };
  static Result<std::unique_ptr<Executor>> CreateIn(Arenas arenas, const Graph& graph,
                                                    const Plan& plan,
                                                    const RopeFrequencies& frequencies,
                                                    std::unique_ptr<ReadQueue> disk,
                                                    std::unique_ptr<ReadQueue> rows,
                                                    const ExecutorOptions& options);
  Executor(const Graph& graph, const Plan& plan, const RopeFrequencies& frequencies, Arenas arenas,
           std::unique_ptr<ReadQueue> disk, std::unique_ptr<ReadQueue> rows,
           const ExecutorOptions& options);
  Status StartThreads();
  bool StopThreads(std::chrono::nanoseconds grace);
  void Fail(Error error);
  Status Failed() const;
  // What failed, once nothing computes any more: inputs are the caller's, who may drop them then.
  Status EndInFailure();
  int32_t FirstBadLayer() const;
  Status CheckNumbers() const;
  Status ReadRows(const Pass& pass);
  void LoadUntilStopped();
  void SpillUntilStopped();
  void Work(uint32_t worker);
  void WorkAsDevice();
  bool WorkThroughPass(uint32_t worker, uint64_t number);
  bool WaitForSyncs(const Step& step, uint32_t worker, uint64_t number);

  const Graph& graph_;
  const Plan& plan_;
  const ExecutorOptions options_;
  MemoryRegion arena_, device_arena_;
  std::unique_ptr<ReadQueue> disk_, rows_;
  OpRunner runner_;
  std::vector<std::unique_ptr<Timeline>> workers_;  // steps of the CPU queue each has finished
  QueueClocks clocks_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<DeviceQueue> device_;   // null where the plan has none
  std::unique_ptr<ScratchFile> scratch_;  // null where nothing is spilled
  std::unique_ptr<Spiller> spiller_;      // likewise
  Timeline rows_timeline_;
  Barrier barrier_;
  Timeline started_;  // passes
  Timeline allowed_;  // steps of the CPU queue
  std::atomic<bool> given_up_{false};
  std::vector<int32_t> tokens_;  // of pass_
  std::vector<const float*> inputs_;
  Pass pass_;  // written before started_ advances
  uint64_t passes_ = 0;
  uint64_t row_bytes_ = 0;
  std::atomic<int64_t> stall_ns_{0};
  mutable std::mutex error_mutex_;  // guards error_
  std::optional<Error> error_;
  std::vector<Thread> io_threads_;
  std::vector<Thread> compute_threads_;  // last: joined first
};

}  // namespace tinyai
