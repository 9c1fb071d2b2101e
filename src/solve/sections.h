#pragma once

#include <cstdint>
#include <vector>

#include "solve/offsets.h"

namespace tinyai {

// A packing problem in its smallest form. Time is cut into sections such that buffers meet exactly
// if they share one: the maximal sets of buffers alive together, in order of time. Bytes are
// counted in the largest unit that loses nothing.
struct Sections {
  struct Item {
    uint32_t first, last;  // sections it lives in, half open
    int64_t size;          // above 0
    int64_t alignment;
    uint32_t buffer;    // whose it is
    uint64_t duration;  // in the time of the buffers
  };

  uint64_t unit = 1;
  uint32_t count = 0;
  std::vector<Item> items;  // in order of buffers; those of no bytes are left out
};

// `buffers` can be packed (CanBePacked).
Sections MakeSections(const std::vector<Buffer>& buffers);

// The units in each section, and the most.
std::vector<int64_t> UnitsAlive(const Sections& sections);
int64_t MostAlive(const Sections& sections);

inline int64_t AlignUp(int64_t offset, int64_t alignment) {
  return alignment == 1 ? offset : (offset + alignment - 1) / alignment * alignment;
}

}  // namespace tinyai
