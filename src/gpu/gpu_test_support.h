#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "gpu/gpu_device.h"

namespace tinyai {

// The first device that there is; null, with the reason in `why`, where there is none.
inline std::unique_ptr<GpuDevice> AnyGpu(std::string& why, bool validate = false) {
  Result<std::unique_ptr<GpuDevice>> device = GpuDevice::Open({.validate = validate});
  if (device) return std::move(*device);
  why = Describe(device.error());
  return nullptr;
}

}  // namespace tinyai

// Declares `device`, or skips the test and says why.
#define TINYAI_NEEDS_GPU(device)                    \
  std::string why_no_gpu;                           \
  const auto device = ::tinyai::AnyGpu(why_no_gpu); \
  if (device == nullptr) GTEST_SKIP() << why_no_gpu
