#include "plan/stretches.h"

#include <algorithm>
#include <bit>

namespace tinyai {
namespace {

struct Edge {
  uint64_t at;
  uint32_t buffer;
  uint32_t ends;  // 0: it begins there
};

// By place; a radix sort, since there are two for each buffer of a net.
void SortEdges(std::vector<Edge>& edges) {
  constexpr unsigned kBits = 11;
  constexpr size_t kDigits = size_t{1} << kBits;
  uint64_t all = 0;
  for (const Edge& edge : edges) all |= edge.at;
  std::vector<Edge> sorted(edges.size());
  // Offsets are aligned: the lowest bits are all zero.
  unsigned shift = all == 0 ? 0 : static_cast<unsigned>(std::countr_zero(all));
  for (; shift < 64 && all >> shift != 0; shift += kBits) {
    if ((all >> shift & (kDigits - 1)) == 0) continue;
    std::vector<uint32_t> next(kDigits + 1, 0);
    for (const Edge& edge : edges) ++next[(edge.at >> shift & (kDigits - 1)) + 1];
    for (size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
    for (const Edge& edge : edges) sorted[next[edge.at >> shift & (kDigits - 1)]++] = edge;
    edges.swap(sorted);
  }
}

}  // namespace

BufferCells::BufferCells(const NetPlan& plan)
    : values_(plan.value_buffers.size()),
      ranges_(plan.value_buffers.size() + plan.workspaces.size()),
      counts_(plan.heights.size(), 0) {
  std::vector<std::vector<Edge>> edges(plan.heights.size());
  if (edges.size() == 1) edges[0].reserve(2 * ranges_.size());
  for (uint32_t i = 0; i < ranges_.size(); ++i) {
    const NetBuffer& buffer = i < values_ ? plan.value_buffers[i] : plan.workspaces[i - values_];
    if (buffer.bytes == 0) continue;
    edges[Index(buffer.memory)].push_back({buffer.offset, i, 0});
    edges[Index(buffer.memory)].push_back({buffer.offset + buffer.bytes, i, 1});
  }
  for (size_t memory = 0; memory < edges.size(); ++memory) {
    SortEdges(edges[memory]);
    uint64_t at = 0;
    for (const Edge& edge : edges[memory]) {
      if (edge.at != at) ++counts_[memory];
      at = edge.at;
      (edge.ends != 0 ? ranges_[edge.buffer].last : ranges_[edge.buffer].first) = counts_[memory];
    }
    ++counts_[memory];
  }
}

}  // namespace tinyai
