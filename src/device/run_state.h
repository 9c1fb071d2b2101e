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
};

// What the threads of one run share.
struct RunState final : PlacePositions {
  RunState(const CompiledProgram& compiled, ProgramInput& program_input, const RunOptions& opts);

  const CompiledProgram& program;
  ProgramInput& input;
  const RunOptions& options;
  std::vector<RunMemory> memories;
  std::vector<std::unique_ptr<RunPlace>> places;
  std::vector<std::optional<NetFence>> made;  // by value: after which command it is there
  std::unique_ptr<RaceWatch> watch;
  std::atomic<bool> stopped{false};

  std::mutex mutex;
  std::optional<Error> error;  // guarded by mutex; the first one
  ProgramRun run;              // outputs, trapped: guarded by mutex; records: by their place

  std::byte* At(const NetBuffer& buffer) const {
    return memories[Index(buffer.memory)].data + buffer.offset;
  }
  const NetBuffer& BufferOf(NetValueId value) const {
    return program.plan.value_buffers[Index(value)];
  }
  // Whether the arms around an op are taken. Their conditions are there.
  bool Taken(const NetOp& op) const;
  // Of a merge the operand that it does not take. Its condition is there.
  std::optional<size_t> Unread(NetOpId op) const;
  // Until `place` has ended `commands` commands. False if the run is stopped before.
  Result<bool> Wait(PlaceId place, uint32_t commands) const;
  bool WaitFor(PlaceId place, uint32_t commands, std::chrono::nanoseconds timeout) const override;

  // Keeps the first error and ends all waits.
  void Fail(Error what);
  void Stop();
};

// Goes through the commands of one place on the calling thread.
void RunOnCpu(RunState& state, PlaceId place);
// Goes through the commands of all places on the GPU.
void RunOnGpu(RunState& state, class GpuPlaces& gpu);

}  // namespace tinyai
