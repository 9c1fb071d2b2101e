#include "kernel/conv_planes.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace tinyai {

ConvPlanes::Axis::Axis(const AxisPass& pass) : step(static_cast<uint64_t>(pass.in_step)) {
  const auto tap_step = static_cast<uint64_t>(std::abs(pass.tap_in));
  const uint64_t last = (pass.taps - 1) * tap_step;
  apart = pass.taps == 1 ? step : std::gcd(step, tap_step);
  planes = step / apart;
  reach = last / step;
  before = pass.tap_in < 0 ? static_cast<int64_t>(last) : 0;
}

uint64_t ConvPlanes::MostRows(uint64_t floats) const {
  if (rows.planes > floats || cols.planes > floats || width > floats) return 0;
  const uint64_t plane = floats / Planes();
  const uint64_t fitting = plane > shared ? (plane - shared) / width : 0;
  return fitting > rows.reach ? fitting - rows.reach : 0;
}

uint64_t ConvPlanes::SharedZeros(const Axis& axis, const AxisPass& pass) {
  const auto step = static_cast<int64_t>(axis.step);
  const auto elements = static_cast<int64_t>(pass.grid + axis.reach);
  int64_t shared = static_cast<int64_t>(axis.reach);
  for (uint64_t plane = 0; plane < axis.planes; ++plane) {
    const int64_t first = axis.Input(pass, plane);
    const int64_t before = (std::max<int64_t>(-first, 0) + step - 1) / step;  // zeros
    const int64_t inside = (std::max<int64_t>(pass.in - first, 0) + step - 1) / step;
    shared = std::min({shared, before, std::max<int64_t>(elements - inside, 0)});
  }
  return static_cast<uint64_t>(shared);
}

}  // namespace tinyai
