#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "lang/costs.h"
#include "lang/devices.h"
#include "lang/program.h"

namespace tinyai {

// Seconds of evals at places, by a cost file or, for what that does not say, by usual rates.
class OpCosts {
 public:
  // All outlive this object.
  OpCosts(const Program& program, const Devices& devices, const Costs& costs)
      : program_(program), devices_(devices), costs_(costs) {}

  double Seconds(const Eval& eval, uint32_t place) const;
  // Where the cost file says nothing of ops: the number of operations, on which alone seconds
  // depend.
  std::optional<double> FlopsAlone(const Eval& eval) const;
  double Seconds(double flops, uint32_t place) const;
  // How often a loop runs, as far as that is known.
  double Trips(const ProgramLoop& loop) const;
  // A part of the eval for which the cost file says nothing at a place: "matmul". Empty: none.
  std::string Unpriced(const Eval& eval, uint32_t place) const;
  // A cost of the file that is negative or no finite number for the eval, and what it is.
  std::optional<std::pair<const Costs::Op*, double>> Senseless(const Eval& eval,
                                                               uint32_t place) const;

 private:
  struct Sum {
    double said = 0;   // seconds by the cost file
    double flops = 0;  // for which it says nothing
    bool priced = false;
  };
  Sum SumOf(const Eval& eval, uint32_t place) const;
  // What the nodes of an eval cost, `times` times.
  void Add(const Eval& eval, uint32_t place, double times, Sum& sum) const;
  std::string OpName(const ExprNode& node) const;
  double SaidSeconds(const Costs::Op& op, const ExprNode& node, const Eval& eval) const;
  template <typename Visit>
  void EachInner(const Eval& loop, Visit visit) const;
  double Flops(const ExprNode& node, const Eval& eval) const;

  const Program& program_;
  const Devices& devices_;
  const Costs& costs_;
};

}  // namespace tinyai
