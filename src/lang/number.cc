#include "lang/number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/units.h"

namespace tinyai {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsSizeUnit(std::string_view unit) {
  return IsOneOf(unit,
                 {"B", "K", "KB", "KiB", "M", "MB", "MiB", "G", "GB", "GiB", "T", "TB", "TiB"});
}

bool IsTimeUnit(std::string_view unit) { return IsOneOf(unit, {"ns", "us", "ms", "s"}); }

bool IsWorkUnit(std::string_view unit) {
  return IsOneOf(unit, {"FLOP", "KFLOP", "MFLOP", "GFLOP", "TFLOP"});
}

// 1 for what is no power: B, FLOP, s.
double ScaleOf(std::string_view unit) {
  if (IsTimeUnit(unit)) return unit == "s" ? 1 : unit == "ms" ? 1e-3 : unit == "us" ? 1e-6 : 1e-9;
  const size_t power = std::string_view("KMGT").find(unit.empty() ? ' ' : unit[0]);
  if (power == std::string_view::npos) return 1;
  return std::pow(IsSizeUnit(unit) ? 1024.0 : 1000.0, static_cast<double>(power + 1));
}

}  // namespace

NumberParts SplitNumber(std::string_view text) {
  size_t end = 0;
  const auto digits = [&] {
    while (end < text.size() && IsDigit(text[end])) ++end;
  };
  digits();
  if (end + 1 < text.size() && text[end] == '.' && IsDigit(text[end + 1])) {
    ++end;
    digits();
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t exponent = end + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    if (exponent < text.size() && IsDigit(text[exponent])) {
      end = exponent;
      digits();
    }
  }
  return {text.substr(0, end), text.substr(end)};
}

bool IsUnit(std::string_view unit) {
  if (unit.empty() || IsSizeUnit(unit) || IsTimeUnit(unit) || IsWorkUnit(unit)) return true;
  const size_t slash = unit.find('/');
  if (slash == std::string_view::npos) return false;
  const std::string_view amount = unit.substr(0, slash);
  return (IsSizeUnit(amount) || IsWorkUnit(amount)) && IsTimeUnit(unit.substr(slash + 1));
}

std::optional<uint64_t> WholeNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<uint64_t> ByteCount(std::string_view text) {
  const NumberParts parts = SplitNumber(text);
  if (!parts.unit.empty() && !IsSizeUnit(parts.unit)) return std::nullopt;
  const Result<uint64_t> bytes = ParseByteSize(text);  // knows no exponents
  if (!bytes) return std::nullopt;
  return *bytes;
}

double NumberValue(std::string_view text) {
  const NumberParts parts = SplitNumber(text);
  double value = 0;
  const auto [rest, error] =
      std::from_chars(parts.digits.data(), parts.digits.data() + parts.digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    const bool tiny = parts.digits.find('-') != std::string_view::npos;
    value = tiny ? 0 : std::numeric_limits<double>::infinity();
  }
  const size_t slash = parts.unit.find('/');
  value *= ScaleOf(parts.unit.substr(0, slash));
  return slash == std::string_view::npos ? value : value / ScaleOf(parts.unit.substr(slash + 1));
}

}  // namespace tinyai
