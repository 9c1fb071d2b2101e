#pragma once

#include <cstdint>
#include <vector>

#include "solve/sections.h"

namespace tinyai {

// Orders in which items of equal least offset are tried by exhaustive search, each as the rank of
// every item: large, long and crowded ones first, with various weights.
std::vector<std::vector<uint32_t>> BranchOrders(const Sections& sections);

}  // namespace tinyai
