#pragma once

#include "base/result.h"
#include "gpu/gpu_device.h"

namespace tinyai {

// Computes things whose results are known, as kernels do: whole numbers, floats to the last bit,
// functions within their bounds, indexes by row and column, sums through shared memory behind
// barriers, and copies. Error DEVICE_WRONG_RESULT naming the kernel, element, what came and what
// was right; and those of running anything.
Status CheckGpu(GpuDevice& device);

}  // namespace tinyai
