#pragma once

#include <cstdint>

namespace tinyai {

// Vulkan's handles as numbers and back: pointers or 64-bit integers, by platform. Headers that
// include no Vulkan keep them so.
template <typename Handle>
uint64_t Number(Handle handle) {
  return (uint64_t)handle;
}
template <typename Handle>
Handle As(uint64_t number) {
  return (Handle)number;
}

}  // namespace tinyai
