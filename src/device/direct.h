#pragma once

#include <optional>
#include <vector>

#include "base/result.h"
#include "device/extern_kernels.h"
#include "device/program_input.h"
#include "lang/program.h"

namespace tinyai {

// What a program means, computed in the plainest way: every eval in program order, every node over
// whole tensors, one element at a time, with nothing of schedules, stages or tiles. Slow; what runs
// are compared with.
struct DirectRun {
  std::vector<std::optional<std::vector<std::byte>>> defs;  // by def; nothing in arms not taken
  std::vector<std::vector<std::byte>> outputs;              // of kOutput evals, in order
  bool trapped = false;
};

// Extern functions are their first kernels, classes their first members. Errors: PROGRAM_INPUT,
// PROGRAM_LOOP, PROGRAM_DEPTH, PROGRAM_EXTERN, KERNEL_FAILED as when it is run, and where quantised
// values are computed with.
Result<DirectRun> RunDirectly(const Program& program, ProgramInput& input,
                              const ExternKernels* kernels = nullptr);

}  // namespace tinyai
