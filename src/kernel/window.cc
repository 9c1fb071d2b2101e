#include "kernel/window.h"

#include <algorithm>

namespace tinyai {

IndexRange RowsRead(const WindowAxis& axis, IndexRange rows) {
  if (rows.first >= rows.end) return {0, 0};
  const uint64_t first = std::max(rows.first * axis.stride, axis.pad) - axis.pad;
  const uint64_t last = (rows.end - 1) * axis.stride + (axis.size - 1) * axis.dilation;
  if (last < axis.pad || first >= axis.in) return {0, 0};
  return {first, std::min(last - axis.pad + 1, axis.in)};
}

}  // namespace tinyai
