#pragma once

#include <cstdint>
#include <vector>

#include "solve/sections.h"

namespace tinyai {

// What placed items take of the arena, by section: a segment tree over sections. A node keeps which
// units are taken all through its sections, and which somewhere in them, as sorted disjoint ranges
// that are merged where they touch; in a dense packing these are few. So asking and adding cost
// O(log n) searches.
class Occupancy {
 public:
  explicit Occupancy(uint32_t sections);

  // The lowest offset at which the item meets nothing.
  int64_t LowestGap(const Sections::Item& item);
  void Add(const Sections::Item& item, int64_t offset);

 private:
  struct Range {
    int64_t begin, end;
  };
  using Ranges = std::vector<Range>;
  struct Node {
    Ranges all_through, somewhere;
  };

  static void Insert(Ranges& ranges, Range range);
  // Calls `cover` with the nodes that make up the item's sections, `above` with those around them.
  template <typename Cover, typename Above>
  void Visit(const Sections::Item& item, Cover cover, Above above);

  uint32_t leaves_ = 1;  // a power of two
  std::vector<Node> nodes_;
  std::vector<const Ranges*> asked_;
};

}  // namespace tinyai
