#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lang/schedule.h"

namespace tinyai {

// What things cost, as a cost file says it (docs/language.md).
struct Costs {
  struct Op {
    std::string op;                   // "add", "matmul", the name of an extern function
    std::vector<std::string> params;  // names of the operands
    std::string place;                // "GPU"; "*": any
    Expr seconds;                     // over bytes, flops, and the operands' elements
    Where where = {};
  };
  std::string name;
  std::vector<Op> ops;
  // How often a condition holds.
  struct Branch {
    Expr condition;
    double often = 0;
    Where where = {};
  };
  std::map<std::string, double> trips;  // of loops, by name
  std::vector<Branch> branches;
  double fence_seconds = 0, sync_seconds = 0;
  uint64_t recompute = 0;  // so many ops may be done again where that is better
  std::optional<Expr> objective;

  // The cost of an op at a place: that of the place itself before that of '*'. Null if none is
  // said.
  const Op* Find(std::string_view op, std::string_view place) const;
};

using CostVariable = std::pair<std::string_view, double>;
// The value of a formula that ParseCosts accepted; no number where it makes no sense.
double CostValue(const Expr& formula, const std::vector<CostVariable>& variables);

}  // namespace tinyai
