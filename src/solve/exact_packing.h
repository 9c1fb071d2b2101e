#pragma once

#include <cstdint>
#include <vector>

#include "solve/search_limits.h"
#include "solve/sections.h"

namespace tinyai {

enum class Packed : uint8_t { kYes, kImpossible, kGaveUp };

// How many items searches may still look at, counted as those left to place at each node; a second
// is some ten million.
struct LookBudget {
  const SearchLimits& limits;
  uint64_t left;
};

// The search is recursive and each level keeps what is left to place: at most about 100 MB.
constexpr size_t kMostExactItems = 2048;

// Whether the items fit into `capacity` units, by exhaustive search; fills `offsets` (by item, in
// units) if so. At most kMostExactItems items.
//
// In the manner of MiniMalloc (Moffitt, ASPLOS 2023): items are placed in order of their offsets,
// each as low as what is placed already allows, so that what is left is a problem of the same kind
// with a least offset for every item; parts of it that share no section are solved apart. The
// pruning is ours: exact_packing.cc proves each rule. Several orders of branching take turns, with
// failed problems remembered across them.
Packed PackExactly(const Sections& sections, int64_t capacity, LookBudget& budget,
                   std::vector<int64_t>& offsets);

}  // namespace tinyai
