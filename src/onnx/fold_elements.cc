#include "onnx/fold_elements.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

namespace tinyai {
namespace {

template <typename Function>
using Table = std::span<const std::pair<std::string_view, Function>>;

template <typename Function>
Function Find(Table<Function> table, std::string_view op) {
  for (const auto& [name, function] : table) {
    if (name == op) return function;
  }
  return nullptr;
}

using OfFloats = double (*)(double, double);
constexpr std::pair<std::string_view, OfFloats> kOfFloats[] = {
    {"Add", [](double a, double b) { return a + b; }},
    {"Sub", [](double a, double b) { return a - b; }},
    {"Mul", [](double a, double b) { return a * b; }},
    {"Div", [](double a, double b) { return a / b; }},
    {"Pow", [](double a, double b) { return std::pow(a, b); }},
    {"Min", [](double a, double b) { return std::min(a, b); }},
    {"Max", [](double a, double b) { return std::max(a, b); }},
    {"Mod", [](double a, double b) { return std::fmod(a, b); }},
};

bool Divides(int64_t a, int64_t b) { return b != 0 && !(a == INT64_MIN && b == -1); }
// As 64 bits wrap.
template <typename Operation>
int64_t Wrapped(int64_t a, int64_t b, Operation&& operation) {
  return static_cast<int64_t>(operation(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
}

using Whole64 = std::optional<int64_t>;
using OfIntegers = Whole64 (*)(int64_t, int64_t);
constexpr std::pair<std::string_view, OfIntegers> kOfIntegers[] = {
    {"Add", [](int64_t a, int64_t b) -> Whole64 { return Wrapped(a, b, std::plus()); }},
    {"Sub", [](int64_t a, int64_t b) -> Whole64 { return Wrapped(a, b, std::minus()); }},
    {"Mul", [](int64_t a, int64_t b) -> Whole64 { return Wrapped(a, b, std::multiplies()); }},
    {"Min", [](int64_t a, int64_t b) -> Whole64 { return std::min(a, b); }},
    {"Max", [](int64_t a, int64_t b) -> Whole64 { return std::max(a, b); }},
    {"Pow",
     [](int64_t a, int64_t b) -> Whole64 {
       return Whole(std::pow(static_cast<double>(a), static_cast<double>(b)));
     }},
    {"Div",
     [](int64_t a, int64_t b) -> Whole64 {
       return Divides(a, b) ? std::optional(a / b) : std::nullopt;
     }},
    {"Mod",  // of the sign of b
     [](int64_t a, int64_t b) -> Whole64 {
       if (!Divides(a, b)) return std::nullopt;
       const int64_t rest = a % b;
       return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
     }},
};

using Comparison = bool (*)(double, double);
constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
    {"Equal", [](double a, double b) { return a == b; }},
    {"Greater", [](double a, double b) { return a > b; }},
    {"Less", [](double a, double b) { return a < b; }},
    {"GreaterOrEqual", [](double a, double b) { return a >= b; }},
    {"LessOrEqual", [](double a, double b) { return a <= b; }},
    {"And", [](double a, double b) { return a != 0 && b != 0; }},
    {"Or", [](double a, double b) { return a != 0 || b != 0; }},
    {"Xor", [](double a, double b) { return (a != 0) != (b != 0); }},
};

using OfOne = double (*)(double);
constexpr std::pair<std::string_view, OfOne> kOfOne[] = {
    {"Neg", [](double a) { return -a; }},
    {"Abs", [](double a) { return std::abs(a); }},
    {"Sqrt", [](double a) { return std::sqrt(a); }},
    {"Exp", [](double a) { return std::exp(a); }},
    {"Log", [](double a) { return std::log(a); }},
    {"Floor", [](double a) { return std::floor(a); }},
    {"Ceil", [](double a) { return std::ceil(a); }},
    {"Reciprocal", [](double a) { return 1 / a; }},
    {"Sin", [](double a) { return std::sin(a); }},
    {"Cos", [](double a) { return std::cos(a); }},
    {"Not", [](double a) { return a == 0 ? 1.0 : 0.0; }},
};

std::optional<Constant> Mapped(OfOne function, Constant a) {
  if (function == nullptr) return std::nullopt;
  for (float& value : a.floats) value = static_cast<float>(function(double{value}));
  for (int64_t& value : a.integers) value = Whole(function(static_cast<double>(value)));
  return a;
}

}  // namespace

Result<std::optional<Constant>> Elementwise(Importer& in, const OnnxNode& node,
                                            const Operands& operands) {
  if (operands.empty() || operands[0] == nullptr) return std::nullopt;
  const Constant& a = *operands[0];
  if (operands.size() == 1) return Mapped(Find<OfOne>(kOfOne, node.op), a);
  if (operands.size() != 2 || operands[1] == nullptr) return std::nullopt;
  const Constant& b = *operands[1];
  const auto compare = Find<Comparison>(kComparisons, node.op);
  const auto of_floats = Find<OfFloats>(kOfFloats, node.op);
  const auto of_integers = Find<OfIntegers>(kOfIntegers, node.op);
  if (compare == nullptr && of_floats == nullptr) return std::nullopt;
  const auto dims = BroadcastDims(a.dims, b.dims);
  if (!dims) return in.Bad("its operands do not fit");
  TRY(in.Spend(*dims));
  Constant out{.dims = *dims, .is_float = compare == nullptr && (a.is_float || b.is_float)};
  const Broadcaster of_a(*dims, a.dims), of_b(*dims, b.dims);
  for (uint64_t i = 0, size = Product(*dims); i < size; ++i) {
    const uint64_t x = of_a.At(i), y = of_b.At(i);
    if (compare != nullptr) {
      out.integers.push_back(compare(a.number(x), b.number(y)) ? 1 : 0);
    } else if (out.is_float) {
      out.floats.push_back(static_cast<float>(of_floats(a.number(x), b.number(y))));
    } else {
      const auto value = of_integers(a.integers[x], b.integers[y]);
      if (!value) return in.Bad("a division that has no result");
      out.integers.push_back(*value);
    }
  }
  return out;
}

}  // namespace tinyai
