#pragma once

#include "base/result.h"
#include "device/run_state.h"
#include "lang/devices.h"
#include "lang/program.h"

namespace tinyai {

// Whether everything that a program calls at its places, GPU or thread, is among the kernels that
// it was given. Errors, at the offset of the statement: PROGRAM_EXTERN naming what is missing,
// KERNEL_TYPE where a kernel takes or gives something else than the program says.
Status CheckKernels(const RunState& state);

// An error with what was computed where when it came.
Error AtEval(const Program& program, const Eval& eval, const Devices::Place& place, Error error);

}  // namespace tinyai
