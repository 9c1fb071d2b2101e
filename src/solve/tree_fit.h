#pragma once

#include <cstdint>
#include <optional>

#include "solve/first_fit.h"
#include "solve/sections.h"

namespace tinyai {

// How a tree fit cuts time, and what comes first among the items of one cut.
struct TreeManner {
  enum class Cut : uint8_t { kCrowded, kMiddle };
  // kFar: what reaches furthest from the cut, to one side or the other.
  enum class First : uint8_t { kLong, kFar, kLarge, kArea, kEarly };

  Cut cut = Cut::kCrowded;
  First first = First::kLong;
};

// First fit in an order that needs no index of what is placed. Time is cut at one section: the
// items alive there are placed, then those before and those after it in the same way, which need to
// know only what reaches into their part of time. Where the cut is the most crowded section near
// the middle, the items of a peak come before all others around it. Costs O(n log n) and as many
// looks at placed items as are alive at a time for each item; none if these would exceed
// `most_looks`.
std::optional<FitResult> TreeFit(const Sections& sections, TreeManner manner, uint64_t most_looks);

// The same again and again, until it is within `enough`, the looks are used up, or many rounds have
// brought nothing: what ended above `enough` is placed a little earlier the next time, at a cut
// around its own and before more of what is alive there (squeaky wheels; Joslin and Clements 1999).
// Improves `best`.
void ImproveTreeFit(const Sections& sections, TreeManner manner, int64_t enough,
                    uint64_t& looks_left, const SearchLimits& limits, FitResult& best);

}  // namespace tinyai
