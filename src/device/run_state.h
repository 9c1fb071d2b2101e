#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "device/race_watch.h"
#include "device/run_program.h"
#include "gpu/gpu_device.h"
#include "os/memory_region.h"
#include "run/timeline.h"

namespace tinyai {

// One memory of the plan while it runs.
struct RunMemory {
  MemoryRegion region;        // where no GPU is concerned
  GpuArena gpu;               // else
  std::byte* data = nullptr;  // where the CPU sees it; null if it does not
};

// One place while it runs.
struct RunPlace {
  bool on_gpu = false;
  bool gpu_waits = false;    // a place of a GPU waits for it
  Timeline ended;            // commands; not of a place on the GPU
  GpuTimeline gpu_ended;     // of places on the GPU, and of those that they wait for
  std::vector<bool> fenced;  // by command: a fence stands behind it
  // By command: what has to have ended besides what its place knows already, for the condition of
  // its arm to be there. Its own syncs say so too, but they are only passed if the arm is taken.
  std::vector<std::vector<NetFence>> conditions;
  // Of a body, known to the place alone: turns that it has ended, and the iterations of the last
  // one; before all of them the slot that holds what is carried into it counts as one.
  uint64_t turns = 0, last_count = 1;
};

// What all of a run shares.
struct RunShared {
  RunShared(ProgramInput& program_input, const RunOptions& opts)
      : input(program_input), options(opts) {}

  ProgramInput& input;
  const RunOptions& options;
  std::vector<RunMemory> memories;
  std::atomic<bool> stopped{false};

  std::mutex mutex;
  std::optional<Error> error;  // guarded by mutex; the first one
  ProgramRun run;              // outputs, trapped: guarded by mutex; records: by their place
};

// A program, or the body of one of its loops, while it runs: what the threads of its places share.
// Commands are counted over all turns of a body.
struct RunState final : PlacePositions {
  RunState(const CompiledProgram& compiled, RunShared& shared_with);

  const CompiledProgram& program;
  RunShared& shared;
  const RunOptions& options;
  std::vector<std::unique_ptr<RunPlace>> places;
  std::vector<std::optional<NetFence>> made;  // by value: after which command it is there
  std::unique_ptr<RaceWatch> watch;
  std::vector<std::unique_ptr<RunState>> loops;  // by body

  std::byte* At(const NetBuffer& buffer) const {
    return shared.memories[Index(buffer.memory)].data + buffer.offset;
  }
  const NetBuffer& BufferOf(NetValueId value) const {
    return program.plan.value_buffers[Index(value)];
  }
  // Where an operand lies that is read in an iteration of a turn.
  NetBuffer Operand(NetValueId value, uint64_t iteration) const;
  // Where a result lies.
  NetBuffer Outcome(NetValueId value, uint64_t iteration) const;
  std::byte* OperandAt(NetValueId value, uint64_t iteration) const {
    return At(Operand(value, iteration));
  }
  // The count of a place's commands right behind one in a turn.
  uint64_t CountAt(PlaceId place, uint64_t turn, uint32_t command) const {
    return turn * program.plan.queues[Index(place)].size() + command + 1;
  }
  // Whether the arms around an op are taken. Their conditions are there.
  bool Taken(const NetOp& op, uint64_t iteration = 0) const;
  // Of a merge the operand that it does not take. Its condition is there.
  std::optional<size_t> Unread(NetOpId op) const;
  // Until `place` has ended `commands` commands. False if the run is stopped before.
  Result<bool> Wait(PlaceId place, uint64_t commands) const;
  bool WaitFor(PlaceId place, uint32_t commands, std::chrono::nanoseconds timeout) const override;

  // Keeps the first error and ends all waits.
  void Fail(Error what);
  void Stop();
};

// How often a loop goes round, where that is decided before; its bounds are there.
struct LoopBounds {
  int64_t first = 0;
  uint64_t iterations = 0;
};
// `op`: the one around the loop, which reads the bounds if nobody knew them before. `count_of`:
// what is the index of a loop around, in this iteration.
LoopBounds ReadBounds(const RunState& around, const NetOp& op, const ProgramLoop& loop,
                      const std::function<std::optional<int64_t>(DefId)>& count_of);
// PROGRAM_LOOP where a loop goes on though it has its most iterations behind it.
Status CheckTrips(const ProgramLoop& loop, uint64_t iterations);

// Goes through the commands of one place on the calling thread.
void RunOnCpu(RunState& state, PlaceId place);
// Goes through the commands of all places on the GPU.
void RunOnGpu(RunState& state, class GpuPlaces& gpu);

}  // namespace tinyai
