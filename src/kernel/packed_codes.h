#pragma once

#include <cstddef>
#include <cstdint>

namespace tinyai {

// Where a code of less than a byte lies among the codes of its group of 32, and which one is zero.
struct CodePlace {
  size_t byte;
  int shift;
};

// Of 4 bits: element e + 16 above element e, as in Q4_0. Of 2 bits, INT2: four bytes with elements
// e, e + 4, e + 8 and e + 12 above each other, then four with the other half.
template <uint32_t kBits>
constexpr CodePlace PlaceOfCode(size_t e) {
  static_assert(kBits == 4 || kBits == 2);
  if constexpr (kBits == 4) return {e % 16, static_cast<int>(e / 16 * 4)};
  return {e / 16 * 4 + e % 4, static_cast<int>(e % 16 / 4 * 2)};
}

template <uint32_t kBits>
inline constexpr uint8_t kZeroCode = 1 << (kBits - 1);
template <uint32_t kBits>
inline constexpr uint8_t kCodeMask = (1 << kBits) - 1;
// A byte of codes that are all zero.
template <uint32_t kBits>
inline constexpr uint8_t kZeroCodes = kZeroCode<kBits>*(0xFF / kCodeMask<kBits>);

// `codes` are those of the group.
template <uint32_t kBits>
constexpr uint8_t GetCode(const std::byte* codes, size_t e) {
  const CodePlace place = PlaceOfCode<kBits>(e);
  return static_cast<uint8_t>(codes[place.byte]) >> place.shift & kCodeMask<kBits>;
}
template <uint32_t kBits>
constexpr void SetCode(std::byte* codes, size_t e, uint8_t code) {
  const CodePlace place = PlaceOfCode<kBits>(e);
  const auto others = static_cast<std::byte>(~(kCodeMask<kBits> << place.shift));
  codes[place.byte] = (codes[place.byte] & others) | static_cast<std::byte>(code << place.shift);
}

}  // namespace tinyai
