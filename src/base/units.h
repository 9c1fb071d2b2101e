#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tinyai {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;

// A size as written on the command line: digits with an optional fraction, then nothing, K, M, G or
// T (any case, also KiB, KB; always powers of 1024) : "512M", "1.5GiB", "2g". Independent of the
// locale. Error BAD_SIZE (usage) for anything else, negative and overflowing values included.
Result<uint64_t> ParseByteSize(std::string_view text);

// "3.94 GiB", "512 MiB", "17 B": three significant digits, powers of 1024.
std::string FormatByteSize(uint64_t bytes);

}  // namespace tinyai
