#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace tinyai {

__extension__ using Uint128 = unsigned __int128;

// Mixes two words into one, every input bit reaching every output bit.
inline uint64_t MixWords(uint64_t a, uint64_t b) {
  const Uint128 product = static_cast<Uint128>(a ^ 0x9E3779B97F4A7C15) * (b ^ 0xD1B54A32D192ED03);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// A hash for tables in memory; its values are never stored.
inline uint64_t HashBytes(std::string_view bytes) {
  uint64_t hash = bytes.size();
  while (bytes.size() > 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data(), 8);
    hash = MixWords(hash, word);
    bytes.remove_prefix(8);
  }
  uint64_t word = 0;
  std::memcpy(&word, bytes.data(), bytes.size());
  return MixWords(MixWords(hash, word), bytes.size());
}

// A slot of a table: an index below kMaxIndexed, and eight bits of the hash that spare most looks
// at entries that are not the one. 0: free.
inline constexpr uint64_t kMaxIndexed = (uint64_t{1} << 24) - 1;
inline uint32_t PackSlot(uint64_t hash, uint64_t index) {
  return static_cast<uint32_t>(hash >> 56 << 24 | (index + 1));
}
inline bool MayHold(uint32_t slot, uint64_t hash) { return slot >> 24 == hash >> 56; }
inline uint32_t IndexIn(uint32_t slot) { return (slot & 0xFFFFFF) - 1; }

// The slots of an open-addressing table for `entries`: a power of two, at most three quarters full.
inline uint64_t SlotsFor(uint64_t entries) { return std::bit_ceil(entries + entries / 3 + 1); }

// A search that visits more slots than this has met keys made to collide: among n random keys the
// longest run of a table three quarters full is some 30 ln n, below 500 for 2^24.
inline constexpr uint64_t kMaxProbes = 4096;

}  // namespace tinyai
