#include "kernel/pool.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tinyai {
namespace {

// The inputs of one output's window along an axis: begin, begin + dilation, ... below end.
struct Taps {
  uint64_t begin, end, size;
};

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

Taps TapsOf(const WindowAxis& axis, uint64_t o) {
  const uint64_t start = o * axis.stride;  // counted from the padding's begin
  Taps taps;
  taps.size = axis.size;
  const uint64_t skipped = start < axis.pad ? CeilDiv(axis.pad - start, axis.dilation) : 0;
  const uint64_t stop = start + axis.size * axis.dilation;  // past the last tap
  taps.begin = std::min(start + skipped * axis.dilation - axis.pad, axis.in);
  taps.end = stop > axis.pad ? std::min(stop - axis.pad, axis.in) : 0;
  return taps;
}

float PoolWindow(PoolKind kind, const Taps& rows, uint64_t row_step, const Taps& cols,
                 uint64_t col_step, const float* x, uint64_t row_stride) {
  double sum = 0;
  uint64_t count = 0;
  float largest = -std::numeric_limits<float>::infinity();
  for (uint64_t r = rows.begin; r < rows.end; r += row_step) {
    for (uint64_t c = cols.begin; c < cols.end; c += col_step) {
      const float v = x[r * row_stride + c];
      if (v > largest || std::isnan(v)) largest = v;
      sum += v;
      ++count;
    }
  }
  if (count == 0) return 0;
  if (kind == PoolKind::kMax) return largest;
  if (kind == PoolKind::kAveragePadded) count = rows.size * cols.size;
  return static_cast<float>(sum / static_cast<double>(count));
}

}  // namespace

void Pool(PoolKind kind, const WindowAxis& rows, const WindowAxis& cols, const InputMap& x,
          const MapPart& part, const OutputMap& out) {
  for (uint64_t c = part.channels.first; c < part.channels.end; ++c) {
    const float* from = x.data + c * x.channel_stride;
    float* to = out.data + (c - part.channels.first) * out.channel_stride;
    for (uint64_t r = part.rows.first; r < part.rows.end; ++r) {
      Taps row_taps = TapsOf(rows, r);
      row_taps.begin -= std::min(x.first_row, row_taps.begin);
      row_taps.end -= std::min(x.first_row, row_taps.end);
      for (uint64_t col = 0; col < cols.out; ++col) {
        *to++ = PoolWindow(kind, row_taps, rows.dilation, TapsOf(cols, col), cols.dilation, from,
                           cols.in);
      }
    }
  }
}

}  // namespace tinyai
