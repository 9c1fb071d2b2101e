#include "plan/stretches.h"

#include <algorithm>
#include <bit>

namespace tinyai {
namespace {

// Where a buffer begins or ends, in units of which all such places are multiples.
template <typename At>
struct Edge {
  At at;
  uint32_t bound;  // 2 buffer, and 1 more where it ends
};

// By place; a radix sort, since there are two for each buffer of a net.
template <typename At>
void SortEdges(std::vector<Edge<At>>& edges) {
  constexpr unsigned kBits = 11;
  constexpr size_t kDigits = size_t{1} << kBits;
  At all = 0;
  for (const Edge<At>& edge : edges) all |= edge.at;
  std::vector<Edge<At>> sorted(edges.size());
  constexpr unsigned kAtBits = 8 * sizeof(At);
  for (unsigned shift = 0; shift < kAtBits && all >> shift != 0; shift += kBits) {
    if ((all >> shift & (kDigits - 1)) == 0) continue;
    std::vector<uint32_t> next(kDigits + 1, 0);
    for (const Edge<At>& edge : edges) ++next[(edge.at >> shift & (kDigits - 1)) + 1];
    for (size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
    for (const Edge<At>& edge : edges) sorted[next[edge.at >> shift & (kDigits - 1)]++] = edge;
    edges.swap(sorted);
  }
}

}  // namespace

// What differs between small and large memories is the bytes that are sorted.
template <typename At>
uint32_t BufferCells::Cut(const std::vector<uint32_t>& buffers, const NetPlan& plan,
                          unsigned unit_bits) {
  std::vector<Edge<At>> edges;
  edges.reserve(2 * buffers.size());
  for (const uint32_t i : buffers) {
    const NetBuffer& buffer = BufferOf(plan, i);
    edges.push_back({static_cast<At>(buffer.offset >> unit_bits), 2 * i});
    edges.push_back({static_cast<At>((buffer.offset + buffer.bytes) >> unit_bits), 2 * i + 1});
  }
  SortEdges(edges);
  uint32_t cells = 0;
  At at = 0;
  for (const Edge<At>& edge : edges) {
    cells += edge.at != at;
    at = edge.at;
    CellRange& range = ranges_[edge.bound / 2];
    (edge.bound % 2 != 0 ? range.last : range.first) = cells;
  }
  return cells + 1;
}

BufferCells::BufferCells(const NetPlan& plan)
    : values_(plan.value_buffers.size()),
      ranges_(plan.value_buffers.size() + plan.workspaces.size()),
      counts_(plan.heights.size(), 0) {
  std::vector<std::vector<uint32_t>> buffers(plan.heights.size());
  std::vector<uint64_t> bounds(plan.heights.size(), 0);  // of each memory, all bits of them
  if (buffers.size() == 1) buffers[0].reserve(ranges_.size());
  for (uint32_t i = 0; i < ranges_.size(); ++i) {
    const NetBuffer& buffer = BufferOf(plan, i);
    if (buffer.bytes == 0) continue;
    buffers[Index(buffer.memory)].push_back(i);
    bounds[Index(buffer.memory)] |= buffer.offset | (buffer.offset + buffer.bytes);
  }
  for (size_t memory = 0; memory < buffers.size(); ++memory) {
    const uint64_t all = bounds[memory];
    // Offsets are aligned: the lowest bits are all zero.
    const unsigned unit_bits = all == 0 ? 0 : static_cast<unsigned>(std::countr_zero(all));
    counts_[memory] = all >> unit_bits >> 32 == 0 ? Cut<uint32_t>(buffers[memory], plan, unit_bits)
                                                  : Cut<uint64_t>(buffers[memory], plan, unit_bits);
  }
}

}  // namespace tinyai
