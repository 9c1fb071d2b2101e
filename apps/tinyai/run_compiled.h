#pragma once

#include <memory>

#include "base/result.h"
#include "compile.h"
#include "console.h"
#include "gpu/gpu_device.h"
#include "json.h"

namespace tinyai {

struct CompiledProgram;  // its header has commands of schedules, which Command is not here
struct Devices;

// The GPU for places with api vulkan, checked that it computes rightly; null where no place has it,
// or where there is none and none was asked for, which is said on the console. Buffers of `devices`
// are aligned for it. Errors: those of GpuDevice::Open and CheckGpu where one was asked for.
Result<std::unique_ptr<GpuDevice>> OpenGpuFor(Devices& devices, const RunProgramFlags& flags,
                                              Console& console);

// Runs the program. What it prints and gives out is the answer: a line each, "a = 7"; with --json
// they are put into `out` as "outputs", beside "seconds" and "trapped". Returns how many seconds it
// took.
Result<double> RunCompiled(const CompiledProgram& compiled, const RunProgramFlags& flags,
                           GpuDevice* gpu, Console& console, Json& out);

}  // namespace tinyai
