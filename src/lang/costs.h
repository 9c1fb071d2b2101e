#pragma once

#include <map>
#include <optional>
#include <string>
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
  std::optional<Expr> fence, sync;         // seconds
  std::map<std::string, double> branches;  // how often a condition is true, by its text
  std::map<std::string, double> trips;     // of loops, by name
  std::optional<double> most_recomputed;
  std::optional<Expr> objective;
};

}  // namespace tinyai
