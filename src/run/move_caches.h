#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/plan.h"

namespace tinyai {

// Takes a context from one plan to another in the same arena, while nothing runs there. Both plans
// have the same layers, each with as many bytes of cache. PackCaches moves them together at the
// arena's start, so that the rest of it may hold anything, or nothing; SpreadCaches takes them from
// there to where the other plan wants them.
struct PackedCaches {
  std::vector<uint32_t> layers;  // in the order in which they lie
  uint64_t bytes = 0;
};
PackedCaches PackCaches(const Plan& from, std::byte* arena);
void SpreadCaches(const Plan& to, const PackedCaches& packed, std::byte* arena);

}  // namespace tinyai
