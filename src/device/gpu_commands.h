#pragma once

#include <optional>
#include <vector>

#include "device/gpu_hazards.h"
#include "device/gpu_kernels.h"
#include "device/run_state.h"

namespace tinyai {

// What a command of a GPU's place does, with everything bound: a copy, or kernels in order.
struct GpuWork {
  struct Dispatch {
    GpuBinding binding;
    uint32_t groups = 1;
    std::vector<GpuHazards::Access> accesses;
  };
  std::vector<Dispatch> dispatches;
  std::optional<std::pair<GpuRange, GpuRange>> copy;
};

// The work of all commands of places on the GPU, with the memory it needs besides the plan's.
struct GpuCommands {
  // By place, by command, by iteration of a turn.
  std::vector<std::vector<std::vector<GpuWork>>> work;
  // By place, of a body: the indexes of the loops around it, then its own in each iteration of a
  // turn; empty where nothing reads them.
  std::vector<GpuArena> counts;
  uint64_t count_stride = 0;
  GpuArena scratch;  // of one command at a time
  GpuArena traps;    // a word for each kernel that divides
  uint64_t trap_stride = 0, trap_count = 0;
};

// Fills `out`, which stays where it is from then on. Errors as for GpuPlaces::Make.
Status BindCommands(RunState& state, GpuKernels& kernels, Budget& budget, GpuCommands& out);

}  // namespace tinyai
