#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tinyai {

// A buffer that lives from moment `begin` to moment `end`, inclusive.
struct Lifetime {
  uint64_t bytes;
  size_t begin, end;
};

// Offsets such that no two lifetimes overlap in time and memory, by the heuristics of
// solve/offsets.h. Returns the height.
uint64_t AssignOffsets(const std::vector<Lifetime>& lifetimes, std::vector<uint64_t>& offsets);

// What lives at one moment, at the worst moment: no height is less.
uint64_t MostBytesAlive(const std::vector<Lifetime>& lifetimes);

}  // namespace tinyai
