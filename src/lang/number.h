#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tinyai {

// A number as a schedule writes it: digits, an optional fraction and exponent, an optional unit
// ("4KiB", "10us", "12GB/s", "1e-3").
struct NumberParts {
  std::string_view digits;  // with fraction and exponent
  std::string_view unit;
};
NumberParts SplitNumber(std::string_view text);

// Nothing, sizes (B, K, KB, KiB, M.. T..), times (ns, us, ms, s), operations (FLOP, KFLOP..), and
// sizes or operations per time (GB/s).
bool IsUnit(std::string_view unit);

// The value of a number without unit, if it is whole and fits.
std::optional<uint64_t> WholeNumber(std::string_view text);
// The value of a size: bytes, or with a unit of size, powers of 1024 as on the command line.
// Nothing for other units, and where the value is no 64-bit number; a fraction of a byte is
// dropped.
std::optional<uint64_t> ByteCount(std::string_view text);
// The value of a number of any unit, in seconds, bytes (powers of 1024), operations (powers of
// 1000) or these per second; infinite where it is too large. The lexer accepted `text`.
double NumberValue(std::string_view text);

}  // namespace tinyai
