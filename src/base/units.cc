#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>

#include "base/escape.h"
#include "fmt/format.h"

namespace tinyai {
namespace {

tl::unexpected<Error> BadSize(std::string_view text) {
  return Fail(ErrorCode::kUsage, "BAD_SIZE",
              fmt::format("'{}' is not a size; write bytes, or a number with K, M, G or T "
                          "(powers of 1024), such as 512M or 1.5G",
                          EscapeControl(text)));
}

// The power of 1024 of a suffix such as "", "m", "MB", "MiB"; -1 if it is none.
int SuffixPower(std::string_view suffix) {
  if (suffix.empty()) return 0;
  constexpr std::string_view kLetters = "bkmgt";
  const size_t power = kLetters.find(static_cast<char>(suffix[0] | 0x20));
  if (power == std::string_view::npos) return -1;
  const std::string_view rest = suffix.substr(1);
  if (rest.empty()) return static_cast<int>(power);
  if (power == 0) return -1;
  const auto is = [rest](std::string_view word) {
    if (rest.size() != word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i) {
      if ((rest[i] | 0x20) != word[i]) return false;
    }
    return true;
  };
  return is("b") || is("ib") ? static_cast<int>(power) : -1;
}

}  // namespace

Result<uint64_t> ParseByteSize(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return BadSize(text);
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc() || !std::isfinite(number)) return BadSize(text);
  std::string_view suffix(rest, static_cast<size_t>(end - rest));
  while (!suffix.empty() && suffix[0] == ' ') suffix.remove_prefix(1);
  const int power = SuffixPower(suffix);
  if (power < 0) return BadSize(text);
  uint64_t whole = 0;  // exact where the number is an integer
  const auto [whole_end, whole_error] = std::from_chars(text.data(), end, whole);
  if (whole_error == std::errc() && whole_end == rest) {
    if (power > 0 && whole > (~uint64_t{0} >> (10 * power))) return BadSize(text);
    return whole << (10 * power);
  }
  if (whole_error != std::errc()) return BadSize(text);
  const double bytes = std::ldexp(number, 10 * power);
  if (bytes >= 0x1p64) return BadSize(text);
  return static_cast<uint64_t>(bytes);
}

std::string FormatByteSize(uint64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double value = static_cast<double>(bytes);
  while (value >= 999.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", value, digits, kUnits[unit]);
}

}  // namespace tinyai
