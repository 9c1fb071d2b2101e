#pragma once

#include <map>
#include <memory>
#include <string>

#include "device/glsl_stage.h"
#include "gpu/gpu_device.h"

namespace tinyai {

// Kernels of a device by their text: each is compiled once.
class GpuKernels {
 public:
  explicit GpuKernels(GpuDevice& device) : device_(device) {}

  // Valid as long as this object. `name` is for messages. Errors GPU_KERNEL, GPU_MEMORY.
  Result<const GpuKernel*> Find(const std::string& name, const GlslKernel& kernel);
  GpuDevice& device() const { return device_; }

 private:
  GpuDevice& device_;
  std::map<std::string, std::unique_ptr<GpuKernel>> kernels_;
};

}  // namespace tinyai
