#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "device/gpu_commands.h"
#include "device/gpu_hazards.h"
#include "device/gpu_kernels.h"
#include "device/run_state.h"

namespace tinyai {

// The places of a run that a GPU carries out: every stage of their commands as a kernel bound to
// its buffers, before anything runs. Each place is a logical queue; those on one queue of the
// device are submitted in an order in which nothing waits for what is submitted later.
class GpuPlaces {
 public:
  // Errors: GPU_FEATURE naming a command that the GPU cannot carry out, PROGRAM_ALIGNMENT where a
  // buffer of the plan lies where the GPU cannot reach it, those of GpuDevice.
  static Result<std::unique_ptr<GpuPlaces>> Make(RunState& state, Budget& budget);
  ~GpuPlaces();

  // Submits everything and waits for the end. Errors DEVICE_LOST, DEVICE_TIMEOUT naming the command
  // that did not end, GPU_MEMORY.
  Status Run();
  // A whole number was divided by zero. After Run.
  bool TakeTrap() const;

 private:
  struct Lane {  // of one place
    uint32_t queue = 0;
    GpuHazards hazards;
    GpuBatch open;
    bool is_open = false;
    uint64_t last = 0;   // commands that the open batch or those before it end
    uint64_t given = 0;  // those that batches that were submitted end
    std::vector<GpuPoint> waits;
    struct Running {
      GpuBatch batch;
      uint64_t value = 0;
    };
    std::deque<Running> running;
    GpuTimeline drained;  // counts what was ended in the middle of a turn
    uint64_t drains = 0;
  };

  GpuPlaces(RunState& state, const GpuPlaces* around)
      : state_(state), around_(around), kernels_(*state.options.gpu) {}
  Status Prepare(Budget& budget);
  // All turns of a body. `op`: the one around the loop.
  Status Loop(const RunState& around, const NetOp& op);
  // The index of a loop around, in the first iteration of its turn.
  std::optional<int64_t> IndexOf(DefId def) const;
  Status Turn(uint64_t count);
  // The indexes for those who read them, once nothing reads those of the turn before.
  Status WriteCounts(uint64_t count);
  // Commands [begin, end) of a place, between syncs and fences.
  Status Submit(PlaceId place, uint32_t begin, uint32_t end, uint64_t count);
  Status WaitForSyncs(PlaceId place, const NetCommand& command);
  Status Record(PlaceId place, NetOpId op, uint32_t command, uint64_t iteration);
  Status RunLoop(uint32_t body, const NetOp& op);
  std::optional<std::pair<GpuRange, GpuRange>> CopyOf(PlaceId place, const NetOp& op,
                                                      const work::Carry& carry,
                                                      uint64_t iteration) const;
  Status RecordOne(NetFence at, int64_t begin_ns, bool taken);
  // Whether an op is carried out in an iteration.
  Result<bool> IsTaken(NetOpId op, uint64_t iteration);
  // Until a value of this turn is there. False if the run was stopped.
  Result<bool> AwaitMade(NetValueId value);
  Status Open(Lane& lane);
  Result<bool> Drain(PlaceId place);
  Status Flush(PlaceId place);
  // What is open, which says so when it has ended; `value`: of the place's commands by then.
  Status Flush(PlaceId place, GpuPoint ended, uint64_t value);
  int64_t PatienceNs() const;
  Status AwaitEnd(PlaceId place, uint64_t value);
  Status Await(PlaceId place, const GpuTimeline& timeline, uint64_t value);
  void Add(Lane& lane, const GpuWork& work);
  void AddOne(Lane& lane, const std::vector<GpuHazards::Access>& accesses);

  RunState& state_;
  const GpuPlaces* const around_;  // of a body: those around the loop
  GpuKernels kernels_;
  GpuCommands commands_;
  std::vector<std::unique_ptr<Lane>> lanes_;       // by place; null for those not on the GPU
  std::vector<NetFence> order_;                    // of all commands on the GPU
  std::vector<std::unique_ptr<GpuPlaces>> loops_;  // by body
  int64_t first_ = 0;                              // index of the turn's first iteration
  bool looked_ = false, goes_on_ = true;           // of a `while`: whether this turn is carried out
  uint64_t turns_ = 0, last_count_ = 1;            // as RunPlace's, of all places on the GPU
};

}  // namespace tinyai
