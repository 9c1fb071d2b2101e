#include "onnx/fold_elements.h"

#include <algorithm>
#include <cmath>

namespace tinyai {

int64_t Whole(double value) {
  constexpr double kMost = 9e18;
  return std::isnan(value) ? 0 : static_cast<int64_t>(std::clamp(value, -kMost, kMost));
}

namespace {

int64_t Wrapped(uint64_t value) { return static_cast<int64_t>(value); }

std::optional<double> OfFloats(std::string_view op, double a, double b) {
  if (op == "Add") return a + b;
  if (op == "Sub") return a - b;
  if (op == "Mul") return a * b;
  if (op == "Div") return a / b;
  if (op == "Pow") return std::pow(a, b);
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  if (op == "Mod") return std::fmod(a, b);
  return std::nullopt;
}
std::optional<int64_t> OfIntegers(std::string_view op, int64_t a, int64_t b) {
  const auto x = static_cast<uint64_t>(a), y = static_cast<uint64_t>(b);
  if (op == "Add") return Wrapped(x + y);
  if (op == "Sub") return Wrapped(x - y);
  if (op == "Mul") return Wrapped(x * y);
  if (op == "Min") return std::min(a, b);
  if (op == "Max") return std::max(a, b);
  if (op == "Pow") return Whole(std::pow(static_cast<double>(a), static_cast<double>(b)));
  const bool divides = b != 0 && !(a == INT64_MIN && b == -1);
  if (op == "Div" && divides) return a / b;
  if (op == "Mod" && divides) return ((a % b) + b) % b;
  return std::nullopt;
}
std::optional<bool> Compared(std::string_view op, double a, double b) {
  if (op == "Equal") return a == b;
  if (op == "Greater") return a > b;
  if (op == "Less") return a < b;
  if (op == "GreaterOrEqual") return a >= b;
  if (op == "LessOrEqual") return a <= b;
  if (op == "And") return a != 0 && b != 0;
  if (op == "Or") return a != 0 || b != 0;
  if (op == "Xor") return (a != 0) != (b != 0);
  return std::nullopt;
}
std::optional<double> OfOne(std::string_view op, double a) {
  if (op == "Neg") return -a;
  if (op == "Abs") return std::abs(a);
  if (op == "Sqrt") return std::sqrt(a);
  if (op == "Exp") return std::exp(a);
  if (op == "Log") return std::log(a);
  if (op == "Floor") return std::floor(a);
  if (op == "Ceil") return std::ceil(a);
  if (op == "Reciprocal") return 1 / a;
  if (op == "Sin") return std::sin(a);
  if (op == "Cos") return std::cos(a);
  if (op == "Not") return a == 0 ? 1 : 0;
  return std::nullopt;
}

}  // namespace

Status CheckSize(Importer& in, const Dims& dims) {
  uint64_t product = 1;
  for (const uint64_t size : dims) {
    const auto next = CheckedMul(product, size);
    if (!next || *next > kMostConstantElements) {
      return in.Unsupported("a constant of more than 2^22 elements is computed");
    }
    product = *next;
  }
  return {};
}

Result<std::optional<Constant>> Elementwise(Importer& in, const OnnxNode& node,
                                            const Operands& operands) {
  if (operands.empty() || operands[0] == nullptr) return std::nullopt;
  const Constant& a = *operands[0];
  if (operands.size() == 1) {
    if (!OfOne(node.op, 1)) return std::nullopt;
    Constant out = a;
    for (float& value : out.floats) value = static_cast<float>(*OfOne(node.op, double{value}));
    for (int64_t& value : out.integers) {
      value = Whole(*OfOne(node.op, static_cast<double>(value)));
    }
    return out;
  }
  if (operands.size() != 2 || operands[1] == nullptr) return std::nullopt;
  const Constant& b = *operands[1];
  const bool compares = Compared(node.op, 0, 0).has_value();
  if (!compares && !OfFloats(node.op, 1, 1)) return std::nullopt;
  const auto dims = BroadcastDims(a.dims, b.dims);
  if (!dims) return in.Bad("its operands do not fit");
  TRY(CheckSize(in, *dims));
  Constant out{.dims = *dims, .is_float = !compares && (a.is_float || b.is_float)};
  const Broadcaster of_a(*dims, a.dims), of_b(*dims, b.dims);
  for (uint64_t i = 0, size = Product(*dims); i < size; ++i) {
    const uint64_t x = of_a.At(i), y = of_b.At(i);
    if (compares) {
      out.integers.push_back(*Compared(node.op, a.number(x), b.number(y)) ? 1 : 0);
    } else if (out.is_float) {
      out.floats.push_back(static_cast<float>(*OfFloats(node.op, a.number(x), b.number(y))));
    } else {
      const auto value = OfIntegers(node.op, a.integers[x], b.integers[y]);
      if (!value) return in.Bad("a division that has no result");
      out.integers.push_back(*value);
    }
  }
  return out;
}

}  // namespace tinyai
