#include "plan/assign_offsets.h"

#include <algorithm>

#include "solve/offsets.h"

namespace tinyai {

uint64_t AssignOffsets(const std::vector<Lifetime>& lifetimes, std::vector<uint64_t>& offsets) {
  std::vector<Buffer> buffers;
  buffers.reserve(lifetimes.size());
  for (const Lifetime& life : lifetimes) buffers.push_back({life.begin, life.end + 1, life.bytes});
  SearchLimits limits;
  limits.effort = Effort::kFast;  // a plan is made in milliseconds
  Packing packing = PackBuffers(buffers, limits);
  offsets = std::move(packing.offsets);
  return packing.height;
}

uint64_t MostBytesAlive(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::pair<size_t, size_t>> births, deaths;  // moment and index
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    births.emplace_back(lifetimes[i].begin, i);
    deaths.emplace_back(lifetimes[i].end, i);
  }
  std::sort(births.begin(), births.end());
  std::sort(deaths.begin(), deaths.end());
  uint64_t alive = 0, most = 0;
  size_t dead = 0;
  for (const auto& [moment, index] : births) {
    for (; deaths[dead].first < moment; ++dead) alive -= lifetimes[deaths[dead].second].bytes;
    alive += lifetimes[index].bytes;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace tinyai
