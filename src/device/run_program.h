#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "device/program_input.h"
#include "program/compiled_program.h"

namespace tinyai {

class ExternKernels;
class GpuDevice;

// What a program printed or gave out.
struct ProgramOutput {
  std::string name;
  ProgramType type;
  std::vector<std::byte> value;
};

// Lets buffers of the memories that Vulkan devices compute in lie where those can reach them, for
// plans that are to run on one. Before compiling.
void AlignForGpu(Devices& devices);

// What an eval that gives something out calls it: the value's name, or "output".
std::string OutputName(const Program& program, const Eval& eval);
// What a value is called when it is printed: of a merged value "z@join" the name it stands for.
std::string OutputName(const Def& def);

// When a command ran, in nanoseconds of the monotonic clock.
struct CommandRecord {
  uint32_t command = 0;
  bool taken = true;  // false: of an arm that was left out
  int64_t begin_ns = 0, end_ns = 0;
  uint32_t stalled_us = 0;  // its place waited for others right before
};

struct ProgramRun {
  std::vector<ProgramOutput> outputs;  // in the order in which they came
  bool trapped = false;                // a whole number was divided by zero
  // Barriers between commands of places on the GPU: whether both were given to it at once.
  std::vector<bool> barriers;
  std::vector<std::vector<CommandRecord>> records;  // by place
  std::optional<std::string> race;                  // with RunOptions::watch: what was found
  int64_t begin_ns = 0, end_ns = 0;
};

// How far the places have come; what a delay may look at.
class PlacePositions {
 public:
  virtual ~PlacePositions() = default;
  // True when the place has ended `commands` of its commands; false after `timeout`, or when the
  // run is being stopped.
  virtual bool WaitFor(PlaceId place, uint32_t commands,
                       std::chrono::nanoseconds timeout) const = 0;
};

struct RunOptions {
  // Who carries out places with api vulkan; null: threads do, as fake devices.
  GpuDevice* gpu = nullptr;
  // What the program's extern functions name; null: nothing.
  const ExternKernels* kernels = nullptr;
  bool record = false;
  bool watch = false;  // RaceWatch over all accesses
  // What memory holds before anything runs: for tests that want to see what was never written.
  std::optional<std::byte> fill;
  // Called by each thread of a place before a command's work and after its syncs: for tests that
  // slow places down.
  std::function<void(PlaceId, uint32_t command, const PlacePositions&)> delay;
  // How long a GPU may do nothing on top of ten times the time that was predicted for all; one that
  // computes on the CPU five times as long.
  std::chrono::milliseconds patience{2'000};
  const std::atomic<bool>* stop = nullptr;
  // The barrier on the GPU that is left out: for tests of what finds that.
  std::optional<uint64_t> omitted_barrier = {};
};

// Carries a program out: one thread for each place (one for all places of a GPU), which goes
// through its commands in order and waits where they say so, and nowhere else. Memory is one arena
// for each memory of the plan, taken from `budget` before anything starts. Errors: BUDGET_EXCEEDED,
// OUT_OF_MEMORY, THREAD, those of CheckKernels (before anything runs), of Interpreter::Compute and
// of the GPU, CANCELLED. One with an offset and without a file is at that byte of the program.
Result<ProgramRun> RunProgram(const CompiledProgram& program, ProgramInput& input, Budget& budget,
                              const RunOptions& options = {});

}  // namespace tinyai
