#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tinyai {

// What a device can do beyond 32-bit integers and floats.
struct GpuFeatures {
  bool int64 = false;
  bool float64 = false;
  bool float16 = false;  // arithmetic, and 16-bit values in buffers
  bool int8 = false;     // 8-bit values in buffers
};

struct GpuLimits {
  uint64_t range_bytes = 0;       // of one buffer that a kernel sees
  uint64_t allocation_bytes = 0;  // of one allocation
  uint64_t offset_alignment = 1;  // where such a buffer may begin
  uint32_t invocations = 0;       // in a work group
  uint32_t groups = 0;            // work groups of one dispatch, along x
  uint32_t shared_bytes = 0;
  uint32_t subgroup = 0;
};

// A device as its driver describes it. Plain data.
struct GpuInfo {
  std::string name;
  std::string driver;
  std::array<uint8_t, 16> uuid{};         // tells two devices of one name apart
  std::array<uint8_t, 16> driver_uuid{};  // of one version of one driver
  bool software = false;                  // computes on the CPU
  uint64_t memory_bytes = 0;              // of its own
  uint32_t queues = 0;                    // that compute
  GpuFeatures features;
  GpuLimits limits;
};

std::string FormatUuid(const std::array<uint8_t, 16>& uuid);

// The devices that can do what every program needs (Vulkan 1.2, timeline semaphores), in the
// driver's order. Before a driver is loaded for the first time a child process tries it, so that
// one that crashes does not take this process along. Errors: GPU_MISSING (no Vulkan, no device, or
// not built in), GPU_DRIVER (crashed or hung in the child), GPU_FEATURE where every device lacks
// something, naming it. Thread-safe.
Result<std::vector<GpuInfo>> ListGpus();

// The device that `wish` means: a UUID, a number in the list, or a part of the name that only one
// has; with an empty wish the first that is no software device, else the first. Error GPU_MISSING
// lists what there is.
Result<size_t> ChooseGpu(const std::vector<GpuInfo>& gpus, std::string_view wish);

}  // namespace tinyai
