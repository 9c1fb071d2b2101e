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

  struct Made {
    GpuKernel kernel;
    uint32_t groups = 1;  // that do all of it
  };
  // Valid as long as this object. `name` is for messages. Errors GPU_KERNEL, GPU_MEMORY; of one
  // that the user wrote also GPU_FEATURE.
  Result<const Made*> Find(const std::string& name, const GlslKernel& kernel);
  GpuDevice& device() const { return device_; }

 private:
  GpuDevice& device_;
  std::map<std::string, std::unique_ptr<Made>> kernels_;
};

}  // namespace tinyai
