#include "device/glsl_text.h"

namespace tinyai {

// Rounding to half floats is done on bits: Vulkan leaves the direction open.
const std::string_view kGlslFunctions = R"(
float from_f16(uint h) { return unpackHalf2x16(h).x; }
uint to_f16(float value) {
  uint bits = floatBitsToUint(value);
  uint sign = bits >> 16 & 0x8000u;
  uint magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return sign | 0x7E00u;
  if (magnitude >= 0x477FF000u) return sign | 0x7C00u;
  if (magnitude < 0x38800000u) {
    uint shift = 126u - (magnitude >> 23);
    if (shift > 25u) return sign;
    uint fraction = (magnitude & 0x7FFFFFu) | 0x800000u;
    uint half_bits = fraction >> shift;
    uint rest = fraction & ((1u << shift) - 1u);
    uint middle = 1u << (shift - 1u);
    if (rest > middle || (rest == middle && (half_bits & 1u) != 0u)) ++half_bits;
    return sign | half_bits;
  }
  uint rounded = magnitude + 0xFFFu + (magnitude >> 13 & 1u);
  return sign | ((rounded >> 13) - (112u << 10));
}
float from_bf16(uint h) { return uintBitsToFloat(h << 16); }
uint to_bf16(float value) {
  uint bits = floatBitsToUint(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return bits >> 16 | 0x40u;
  return (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
}
bool is_nan(float x) { return (floatBitsToUint(x) & 0x7FFFFFFFu) > 0x7F800000u; }
bool is_inf(float x) { return (floatBitsToUint(x) & 0x7FFFFFFFu) == 0x7F800000u; }
int to_i32(float x) {
  if (is_nan(x)) return 0;
  if (x >= 2147483648.0) return 2147483647;
  if (x < -2147483648.0) return int(0x80000000u);
  return int(x);
}
int div_i32(int a, int b, inout bool trap) {
  if (b == 0) { trap = true; return 0; }
  return b == -1 ? 0 - a : a / b;
}
int mod_i32(int a, int b, inout bool trap) {
  if (b == 0) { trap = true; return 0; }
  return b == -1 ? 0 : a - a / b * b;
}
// Exact: what is subtracted is a power of two times b, at most a.
float mod_f32(float a, float b) {
  if (is_nan(a) || is_nan(b) || is_inf(a) || b == 0.0) return uintBitsToFloat(0x7FC00000u);
  float x = abs(a), y = abs(b);
  if (is_inf(y)) return a;
  for (int i = 0; i < 600 && x >= y; ++i) {
    int ex, ey;
    frexp(x, ex);
    frexp(y, ey);
    precise float part = ldexp(y, ex - ey);
    if (part > x) part = ldexp(y, ex - ey - 1);
    x -= part;
  }
  return a < 0.0 || floatBitsToUint(a) >> 31 != 0u ? -x : x;
}
)";

const std::string_view kGlslInt64Functions = R"(
const int64_t kMost = int64_t(0x7FFFFFFFFFFFFFFFUL);
const int64_t kLeast = int64_t(0x8000000000000000UL);
int64_t to_i64(float x) {
  if (is_nan(x)) return int64_t(0);
  if (x >= 9223372036854775808.0) return kMost;
  if (x < -9223372036854775808.0) return kLeast;
  return int64_t(x);
}
int narrow_i64(int64_t x) {
  return int(clamp(x, int64_t(-2147483647) - int64_t(1), int64_t(2147483647)));
}
int64_t div_i64(int64_t a, int64_t b, inout bool trap) {
  if (b == int64_t(0)) { trap = true; return int64_t(0); }
  return b == int64_t(-1) ? int64_t(0) - a : a / b;
}
int64_t mod_i64(int64_t a, int64_t b, inout bool trap) {
  if (b == int64_t(0)) { trap = true; return int64_t(0); }
  return b == int64_t(-1) ? int64_t(0) : a - a / b * b;
}
)";

const std::string_view kGlslFloat64Functions = R"(
int to_i32_d(double x) {
  if (x != x) return 0;
  if (x >= 2147483648.0LF) return 2147483647;
  if (x <= -2147483648.0LF) return int(0x80000000u);
  return int(x);
}
)";

const std::string_view kGlslInt64FromFloat64 = R"(
int64_t to_i64_d(double x) {
  if (x != x) return int64_t(0);
  if (x >= 9223372036854775808.0LF) return kMost;
  if (x < -9223372036854775808.0LF) return kLeast;
  return int64_t(x);
}
)";

}  // namespace tinyai
