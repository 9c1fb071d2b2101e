#include "lang/costs.h"

#include <algorithm>
#include <limits>

#include "lang/number.h"

namespace tinyai {

const Costs::Op* Costs::Find(std::string_view op, std::string_view place) const {
  const Op* found = nullptr;
  for (const Op& one : ops) {
    if (one.op != op) continue;
    if (one.place == place) return &one;
    if (one.place == "*") found = &one;
  }
  return found;
}

double CostValue(const Expr& formula, const std::vector<CostVariable>& variables) {
  const auto operand = [&](size_t i) { return CostValue(formula.operands[i], variables); };
  switch (formula.kind) {
    case Expr::Kind::kNumber:
      return NumberValue(formula.text);
    case Expr::Kind::kName:
      for (const auto& [name, value] : variables) {
        if (name == formula.text) return value;
      }
      break;
    case Expr::Kind::kUnary:
      return -operand(0);
    case Expr::Kind::kBinary:
      if (formula.text == "+") return operand(0) + operand(1);
      if (formula.text == "-") return operand(0) - operand(1);
      if (formula.text == "*") return operand(0) * operand(1);
      if (formula.text == "/") return operand(0) / operand(1);
      break;
    case Expr::Kind::kCall: {
      const double a = operand(1), b = operand(2);
      return formula.operands[0].text == "min" ? std::min(a, b) : std::max(a, b);
    }
    default:
      break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace tinyai
