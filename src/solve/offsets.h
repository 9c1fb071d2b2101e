#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "solve/search_limits.h"

// Static buffer packing: which bytes of one arena each buffer takes, when everybody's lifetime is
// known beforehand (dynamic storage allocation; NP-hard). Two buffers whose lifetimes meet must not
// share a byte; the height of the arena is to be least.
namespace tinyai {

struct Buffer {
  uint64_t begin = 0, end = 1;  // lifetime, half open, not empty; any unit
  uint64_t bytes = 0;
  uint64_t alignment = 1;  // the offset is a multiple of it; at least 1
};

struct Packing {
  std::vector<uint64_t> offsets;  // by buffer
  uint64_t height = 0;            // the highest end of a buffer
  uint64_t lower_bound = 0;       // no packing is lower

  bool optimal() const { return height == lower_bound; }
};

// Whether all sums that a packing may need are far from overflow: the buffers' sizes and
// alignments, laid end to end, stay below 2^62. What packs needs it.
bool CanBePacked(const std::vector<Buffer>& buffers);

// The most bytes that live at one moment, in O(n log n): a lower bound of every height.
uint64_t MostBytesAlive(const std::vector<Buffer>& buffers);

// A packing of small height. kFast takes the best of a few greedy orders, just one for very many
// buffers; beyond that what is too high is put elsewhere as long as that leaves something to gain,
// and then packings of less and less height are searched for (exact_packing.h) until one is proved
// least or the limits end it.
Packing PackBuffers(const std::vector<Buffer>& buffers, const SearchLimits& limits);

struct CapacityAnswer {
  Packing packing;  // the lowest found, within the capacity or not
  bool fits = false;
  bool proved = false;  // that nothing fits, if it does not
};

// Stops at the first packing within `capacity` bytes, which need not be the lowest.
CapacityAnswer PackWithin(const std::vector<Buffer>& buffers, uint64_t capacity,
                          const SearchLimits& limits);

}  // namespace tinyai
