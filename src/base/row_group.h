#pragma once

#include <cstdint>

namespace tinyai {

// Kernels work on groups of rows of weights: work is cut at multiples of this where it can be.
constexpr uint64_t kRowGroup = 16;

}  // namespace tinyai
