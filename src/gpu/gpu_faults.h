#pragma once

#include <cstdint>

#include "gpu/gpu_device.h"

// Makes a device do what drivers do when they fail: for tests.
namespace tinyai {

enum class GpuFault : uint8_t {
  kLost,    // the submit fails, and says that the device is lost
  kSilent,  // it is carried out, but never signals that it has ended
};

// The submit number `which` from now on goes wrong that way, counted from 0; the others are the
// driver's. For one device at a time.
void FailAtSubmit(GpuDevice& device, GpuFault fault, int which);
// Whether that submit came.
bool SubmitHasFailed();

// As if the device let kernels see no more of a buffer.
void LimitRange(GpuDevice& device, uint64_t bytes);

}  // namespace tinyai
