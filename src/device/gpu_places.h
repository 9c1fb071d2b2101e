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
    uint32_t last = 0;  // commands that the open batch or those before it end
    std::vector<GpuPoint> waits;
    struct Running {
      GpuBatch batch;
      uint64_t value = 0;
    };
    std::deque<Running> running;
  };

  explicit GpuPlaces(RunState& state) : state_(state), kernels_(*state.options.gpu) {}
  Status Prepare(Budget& budget);
  Status Submit(NetFence at);
  Status RecordOne(NetFence at, int64_t begin_ns, bool taken);
  Result<bool> IsTaken(const NetOp& op);
  Status Open(Lane& lane);
  Status Flush(PlaceId place);
  int64_t PatienceNs() const;
  Status AwaitEnd(PlaceId place, uint64_t value);
  void Add(Lane& lane, const GpuWork& work);
  void AddOne(Lane& lane, const std::vector<GpuHazards::Access>& accesses);

  RunState& state_;
  GpuKernels kernels_;
  GpuCommands commands_;
  std::vector<std::unique_ptr<Lane>> lanes_;  // by place; null for those not on the GPU
  std::vector<NetFence> order_;               // of all commands on the GPU
};

}  // namespace tinyai
