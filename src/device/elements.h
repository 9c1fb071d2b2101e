#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "base/float16.h"
#include "lang/program.h"

namespace tinyai {

// Float to the nearest bfloat16, ties to even; NaN stays NaN.
inline uint16_t FloatToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// To a whole number: towards zero, to the nearest that there is; NaN becomes 0.
template <typename Whole, typename From>
Whole ToWhole(From value) {
  using Limits = std::numeric_limits<Whole>;
  if constexpr (std::is_floating_point_v<From>) {
    if (std::isnan(value)) return 0;
    // The largest whole number is no float of either size: the next one is the first beyond.
    if (value >= -static_cast<From>(Limits::min())) return Limits::max();
    if (value < static_cast<From>(Limits::min())) return Limits::min();
    return static_cast<Whole>(value);
  } else {
    const auto wide = static_cast<int64_t>(value);
    if (wide > Limits::max()) return Limits::max();
    if (wide < Limits::min()) return Limits::min();
    return static_cast<Whole>(wide);
  }
}

// Whole numbers wrap around; division by zero gives 0 and sets `trapped`.
template <typename T>
T Add(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a + b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
template <typename T>
T Subtract(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a - b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
template <typename T>
T Multiply(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return a * b;
  else
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
template <typename T>
T Divide(T a, T b, bool& trapped) {
  if constexpr (std::is_floating_point_v<T>) {
    return a / b;
  } else {
    if (b == 0) {
      trapped = true;
      return 0;
    }
    return b == static_cast<T>(-1) ? Subtract<T>(0, a) : static_cast<T>(a / b);
  }
}
template <typename T>
T Modulo(T a, T b, bool& trapped) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) {
      trapped = true;
      return 0;
    }
    return b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b);
  }
}
// Of two numbers of which neither is less (one may be NaN), the first.
template <typename T>
T Least(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
T Most(T a, T b) {
  return a < b ? b : a;
}

// Functions of floats are computed in double and rounded once, so that every way to compute them on
// the CPU gives the same bits.
template <typename T>
T Function(ExprNode::Kind kind, T x) {
  const auto wide = static_cast<double>(x);
  switch (kind) {
    case ExprNode::Kind::kSqrt:
      return static_cast<T>(std::sqrt(wide));
    case ExprNode::Kind::kExp:
      return static_cast<T>(std::exp(wide));
    case ExprNode::Kind::kLog:
      return static_cast<T>(std::log(wide));
    case ExprNode::Kind::kSin:
      return static_cast<T>(std::sin(wide));
    case ExprNode::Kind::kCos:
      return static_cast<T>(std::cos(wide));
    case ExprNode::Kind::kTanh:
      return static_cast<T>(std::tanh(wide));
    default:
      return static_cast<T>(std::floor(wide));
  }
}

// The first row of rows that begin at `wish`, moved inside a tensor of `rows`.
inline uint64_t ClampRow(int64_t wish, uint64_t rows, uint64_t taken) {
  if (wish < 0 || rows < taken) return 0;
  const uint64_t most = rows - taken;
  return static_cast<uint64_t>(wish) > most ? most : static_cast<uint64_t>(wish);
}

}  // namespace tinyai
