#pragma once

#include <cstdint>

#include "solve/first_fit.h"
#include "solve/search_limits.h"
#include "solve/sections.h"

namespace tinyai {

// Lowers a packing, line by line between it and `enough`: what ends above the line is taken out and
// put back below it one by one, the largest first. What finds no gap takes the place where it
// displaces the least, counted as area times how often an item was hard to place before; those
// displaced are put back next (guided ejection search, Nagata and Bräysy 2009, with lifetimes and
// offsets for routes). Only what lives around a peak is touched, so the cost does not grow with the
// rest of the problem. Ends at `enough`, or after about `most_looks` looks at items.
void LowerByEjection(const Sections& sections, int64_t enough, uint64_t most_looks,
                     const SearchLimits& limits, FitResult& best);

}  // namespace tinyai
