#include <algorithm>
#include <numeric>
#include <vector>

#include "plan/draft.h"

namespace tinyai {

uint64_t AssignOffsets(const std::vector<Lifetime>& lifetimes, std::vector<uint64_t>& offsets) {
  std::vector<size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  offsets.assign(lifetimes.size(), 0);
  uint64_t height = 0;
  std::vector<size_t> placed;  // in the order of their offsets
  for (const size_t index : by_size) {
    const Lifetime& item = lifetimes[index];
    uint64_t offset = 0;  // lowest gap between the placed ones that live at the same time
    for (const size_t other : placed) {
      const Lifetime& taken = lifetimes[other];
      if (taken.end < item.begin || item.end < taken.begin) continue;
      if (offsets[other] >= offset + item.bytes) break;
      offset = std::max(offset, offsets[other] + taken.bytes);
    }
    offsets[index] = offset;
    height = std::max(height, offset + item.bytes);
    const auto at = std::upper_bound(placed.begin(), placed.end(), offset,
                                     [&](uint64_t value, size_t p) { return value < offsets[p]; });
    placed.insert(at, index);
  }
  return height;
}

}  // namespace tinyai
