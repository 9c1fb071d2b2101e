#include "lang/constant.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "lang/number.h"

namespace tinyai {
namespace {

int64_t Wrapped(uint64_t value) { return static_cast<int64_t>(value); }

}  // namespace

std::optional<Constant> ParseConstant(std::string_view text) {
  const NumberParts parts = SplitNumber(text);
  Constant out;
  if (!parts.unit.empty()) {
    const std::optional<uint64_t> bytes = ByteCount(text);
    if (!bytes || *bytes > uint64_t{INT64_MAX}) return std::nullopt;
    out.integer = static_cast<int64_t>(*bytes);
    out.number = static_cast<double>(out.integer);
    return out;
  }
  const auto [rest, error] =
      std::from_chars(parts.digits.data(), parts.digits.data() + parts.digits.size(), out.integer);
  if (error == std::errc() && rest == parts.digits.data() + parts.digits.size()) {
    out.number = static_cast<double>(out.integer);
    return out;
  }
  const bool digits_only = parts.digits.find_first_of(".eE") == std::string_view::npos;
  if (digits_only) return std::nullopt;  // too large
  out.whole = false;
  const auto parsed =
      std::from_chars(parts.digits.data(), parts.digits.data() + parts.digits.size(), out.number);
  if (parsed.ec != std::errc() || !std::isfinite(out.number)) return std::nullopt;
  return out;
}

std::optional<Constant> ApplyOperator(std::string_view op, const Constant& a, const Constant& b) {
  Constant out;
  out.whole = a.whole && b.whole;
  const auto x = static_cast<uint64_t>(a.integer), y = static_cast<uint64_t>(b.integer);
  if (op == "+") {
    out.integer = Wrapped(x + y);
    out.number = a.number + b.number;
  } else if (op == "-") {
    out.integer = Wrapped(x - y);
    out.number = a.number - b.number;
  } else if (op == "*") {
    out.integer = Wrapped(x * y);
    out.number = a.number * b.number;
  } else if ((op == "/" || op == "%") && out.whole) {
    if (b.integer == 0 || b.integer == -1) return std::nullopt;
    out.integer = op == "/" ? a.integer / b.integer : a.integer % b.integer;
  } else if (op == "/" && b.number != 0) {
    out.number = a.number / b.number;
  } else {
    return std::nullopt;
  }
  if (out.whole) out.number = static_cast<double>(out.integer);
  return out;
}

}  // namespace tinyai
