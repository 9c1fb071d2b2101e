#pragma once

#include <algorithm>
#include <cstdint>

#include "kernel/conv.h"

namespace tinyai {

constexpr uint64_t kMostDepthwiseTaps = 128;
// Floats behind each plane that loads and stores of whole vectors may touch.
constexpr uint64_t kPlaneSlack = 16;

// How the padded input of some output rows of one channel lies: input row i, counted from the first
// one that the first output's window covers, and input column j are in the plane of their residues
// modulo the strides, at row i / stride and column j / stride.
struct DepthwisePlanes {
  uint64_t out_rows;
  uint64_t in_rows;  // that windows of out_rows outputs cover
  uint64_t height;   // of a plane
  uint64_t width;
  uint64_t plane_floats;

  DepthwisePlanes(const ConvShape& s, uint64_t rows)
      : out_rows(rows),
        in_rows((rows - 1) * s.rows.stride + (s.rows.size - 1) * s.rows.dilation + 1),
        height((in_rows + s.rows.stride - 1) / s.rows.stride),
        width(((s.cols.out - 1) * s.cols.stride + (s.cols.size - 1) * s.cols.dilation +
               s.cols.stride) /
              s.cols.stride),
        plane_floats(height * width + kPlaneSlack) {}

  // Where input row i begins in the plane of a column's residue.
  uint64_t At(const ConvShape& s, uint64_t i, uint64_t residue) const {
    return (i % s.rows.stride * s.cols.stride + residue) * plane_floats + i / s.rows.stride * width;
  }
  // From an output's place in rows of `width` to what tap t of it reads.
  uint32_t OffsetOf(const ConvShape& s, uint64_t t) const {
    const uint64_t i = t / s.cols.size * s.rows.dilation, j = t % s.cols.size * s.cols.dilation;
    return static_cast<uint32_t>(At(s, i, j % s.cols.stride) + j / s.cols.stride);
  }
  uint64_t Floats(const ConvShape& s) const { return s.rows.stride * s.cols.stride * plane_floats; }

  // What the workspace has room for, and what stays in the nearest cache.
  static constexpr uint64_t kMostFloats = 96 << 10;
  static constexpr uint64_t kGoodFloats = 8 << 10;

  // Whether the planes of one output row fit; by the shape alone, so a map's parts agree.
  static bool Fit(const ConvShape& s) {
    constexpr uint64_t kMost = kMostFloats;
    const bool small = s.rows.size * s.cols.size <= kMostDepthwiseTaps && s.rows.stride <= kMost &&
                       s.cols.stride <= kMost && s.cols.out <= kMost && s.rows.dilation <= kMost &&
                       s.cols.dilation <= kMost;
    return small && DepthwisePlanes(s, 1).Floats(s) <= kMost;
  }
  static uint64_t RowsAtOnce(const ConvShape& s) {
    const uint64_t one = DepthwisePlanes(s, 1).Floats(s);
    const uint64_t more = DepthwisePlanes(s, 2).Floats(s) - one;
    return one >= kGoodFloats ? 1 : 1 + (kGoodFloats - one) / std::max<uint64_t>(more, 1);
  }
};

}  // namespace tinyai
