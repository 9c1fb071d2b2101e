#include "kernel/resize.h"

#include <algorithm>

namespace tinyai {
namespace {

// A place on the input's axis as an exact fraction, not below zero.
struct Place {
  uint64_t numerator, denominator;
};

Place PlaceOf(ResizeGrid grid, uint64_t o, uint64_t in, uint64_t out) {
  switch (grid) {
    case ResizeGrid::kHalfPixel: {
      const uint64_t twice = (2 * o + 1) * in;
      return {twice > out ? twice - out : 0, 2 * out};
    }
    case ResizeGrid::kAsymmetric:
      return {o * in, out};
    case ResizeGrid::kAlignCorners:
      return {o * (in - 1), std::max<uint64_t>(out - 1, 1)};
  }
  return {0, 1};
}

// The inputs an output lies between, and how near it is to the second.
struct Neighbours {
  uint64_t first, second;
  float weight;
};

Neighbours NeighboursOf(ResizeKind kind, ResizeGrid grid, bool round_down, uint64_t o, uint64_t in,
                        uint64_t out) {
  const Place p = PlaceOf(grid, o, in, out);
  if (kind == ResizeKind::kNearest) {
    // ceil(p - 1/2) is the nearer one.
    const uint64_t nearer =
        2 * p.numerator > p.denominator
            ? (2 * p.numerator - p.denominator + 2 * p.denominator - 1) / (2 * p.denominator)
            : 0;
    const uint64_t i = std::min(round_down ? p.numerator / p.denominator : nearer, in - 1);
    return {i, i, 0};
  }
  const uint64_t i = std::min(p.numerator / p.denominator, in - 1);
  const double rest = static_cast<double>(p.numerator % p.denominator);
  return {i, std::min(i + 1, in - 1),
          static_cast<float>(rest / static_cast<double>(p.denominator))};
}

Neighbours RowsOf(const ResizeShape& s, uint64_t o) {
  return NeighboursOf(s.kind, s.grid, s.round_down, o, s.in_rows, s.out_rows);
}

}  // namespace

IndexRange ResizeRowsRead(const ResizeShape& shape, IndexRange rows) {
  if (rows.first >= rows.end) return {0, 0};
  return {RowsOf(shape, rows.first).first, RowsOf(shape, rows.end - 1).second + 1};
}

void Resize(const ResizeShape& shape, const InputMap& x, const MapPart& part,
            const OutputMap& out) {
  for (uint64_t row = part.rows.first; row < part.rows.end; ++row) {
    const Neighbours r = RowsOf(shape, row);
    for (uint64_t col = 0; col < shape.out_cols; ++col) {
      const Neighbours c = NeighboursOf(shape.kind, shape.grid, shape.round_down, col,
                                        shape.in_cols, shape.out_cols);
      const float* upper = x.data + (r.first - x.first_row) * shape.in_cols;
      const float* lower = x.data + (r.second - x.first_row) * shape.in_cols;
      float* to = out.data + (row - part.rows.first) * shape.out_cols + col;
      for (uint64_t channel = part.channels.first; channel < part.channels.end; ++channel) {
        const uint64_t at = channel * x.channel_stride;
        const float* a = upper + at;
        const float* b = lower + at;
        if (shape.kind == ResizeKind::kNearest) {
          *to = a[c.first];
        } else {
          const float above = a[c.first] + c.weight * (a[c.second] - a[c.first]);
          const float below = b[c.first] + c.weight * (b[c.second] - b[c.first]);
          *to = above + r.weight * (below - above);
        }
        to += out.channel_stride;
      }
    }
  }
}

}  // namespace tinyai
