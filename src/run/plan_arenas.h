#pragma once

#include <cstddef>
#include <cstdint>

#include "plan/plan.h"

namespace tinyai {

// Where a plan's offsets lie: in RAM's arena, and behind its end in that of the device.
struct PlanArenas {
  std::byte* ram = nullptr;
  std::byte* device = nullptr;  // null where the plan has none
  uint64_t ram_bytes = ~uint64_t{0};

  static PlanArenas Of(const Plan& plan, std::byte* ram, std::byte* device) {
    return {ram, device, plan.memory.arena_bytes};
  }
  std::byte* At(uint64_t offset) const {
    return device == nullptr || offset < ram_bytes ? ram + offset : device + (offset - ram_bytes);
  }
};

}  // namespace tinyai
