#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tinyai {

// Fills whole 8 bytes with what no disk can compress, and no two calls with the same where `state`
// goes on.
inline void FillIncompressible(std::span<std::byte> bytes, uint64_t& state) {
  for (size_t at = 0; at + sizeof(state) <= bytes.size(); at += sizeof(state)) {
    state = state * 6364136223846793005 + 1442695040888963407;
    const uint64_t word = state ^ state >> 29;
    std::memcpy(bytes.data() + at, &word, sizeof(word));
  }
}

}  // namespace tinyai
