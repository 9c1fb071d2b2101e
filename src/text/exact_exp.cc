#include "text/exact_exp.h"

#include <cmath>

namespace tinyai {

double ExpOfNegative(double x) {
  if (!(x > -745.0)) return 0.0;
  // x = n ln 2 + r with |r| <= 0.35; ln 2 in two parts, the first exact times any such n.
  constexpr double kLog2E = 0x1.71547652b82fep+0;
  constexpr double kLn2High = 0x1.62e42feep-1;
  constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
  const double n = std::floor(x * kLog2E + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor: the first term left out is r^14 / 14! < 1e-17.
  double sum = 1.0;
  for (int i = 13; i >= 1; --i) sum = 1.0 + r * sum / i;
  return std::ldexp(sum, static_cast<int>(n));
}

}  // namespace tinyai
