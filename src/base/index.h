#pragma once

#include <cstddef>

namespace tinyai {

// The number behind an index type (`enum class BufferId : uint32_t {};`).
template <typename Id>
constexpr size_t Index(Id id) {
  return static_cast<size_t>(id);
}

}  // namespace tinyai
