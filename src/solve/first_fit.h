#pragma once

#include <cstdint>
#include <vector>

#include "solve/search_limits.h"
#include "solve/sections.h"

namespace tinyai {

// Offsets by item, in units, and the height they reach.
struct FitResult {
  std::vector<int64_t> offsets;
  int64_t height = 0;
};

// Each item in this order at the lowest offset where it meets none before it; O(n log^2 n) unless
// lifetimes and gaps are scattered.
FitResult FirstFit(const Sections& sections, const std::vector<uint32_t>& order);

// The best of several orders: by size (Pisarchyk and Lee 2020), by length of life (the optimum
// where lifetimes are nested), by area. Ends early at `enough`, the height below which there is
// nothing to gain.
FitResult BestFirstFit(const Sections& sections, int64_t enough, const SearchLimits& limits);

// Moves items that reach above the bound forward in the order, again and again (squeaky wheel
// optimisation, Joslin and Clements 1999). Ends at `enough`, or after `rounds`.
void ImproveFirstFit(const Sections& sections, int64_t enough, uint32_t rounds,
                     const SearchLimits& limits, FitResult& best);

}  // namespace tinyai
