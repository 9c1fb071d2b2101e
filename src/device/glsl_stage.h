#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "device/lower_eval.h"
#include "gpu/gpu_info.h"

namespace tinyai {

// A stage as a compute shader. Sizes and offsets are constants of the text, so that equal stages
// are equal texts.
struct GlslKernel {
  std::string text;
  // Which of the stage's slots its buffers are, in the order of their bindings; then follow the out
  // and, where it divides whole numbers, one word that becomes 1 if a divisor was 0.
  std::vector<uint32_t> slots;
  bool traps = false;
  uint32_t groups = 1;
  // Of a kernel that the user wrote, instead of `groups`: how many invocations do all of it.
  std::optional<uint64_t> invocations = {};
};

// One stage may need several kernels, one after the other. Results have the bits of the CPU's, but
// for sums and functions of floats, whose last bits may differ. Error GPU_FEATURE: what the device
// lacks, or what no GPU is given.
Result<std::vector<GlslKernel>> WriteGlsl(const Stage& stage, const GpuInfo& gpu);

}  // namespace tinyai
