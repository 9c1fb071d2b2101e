#pragma once

#include <cstdint>

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

 private:
  double Flops(const ExprNode& node, const Eval& eval) const;

  const Program& program_;
  const Devices& devices_;
  const Costs& costs_;
};

}  // namespace tinyai
