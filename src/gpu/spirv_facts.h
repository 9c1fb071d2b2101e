#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "gpu/gpu_info.h"

namespace tinyai {

// What a compute kernel wants of whoever launches it, read from its SPIR-V.
struct SpirvFacts {
  std::array<uint32_t, 3> local_size{1, 1, 1};
  std::vector<std::pair<uint32_t, uint32_t>> bindings;  // set, binding
  bool others = false;  // things that are no storage buffer: push constants, images, ..
  std::vector<uint32_t> capabilities;
};

// Of code as a compiler made it; what cannot be read ends the reading.
SpirvFacts ReadSpirv(std::span<const uint32_t> code);

// Whether a kernel that somebody else wrote can be launched with `buffers` storage buffers and work
// groups along x only: a driver may crash on one that cannot. Errors GPU_KERNEL, GPU_FEATURE naming
// the kernel.
Status CheckLaunch(std::string_view name, const SpirvFacts& facts, uint32_t buffers,
                   const GpuInfo& gpu);

}  // namespace tinyai
