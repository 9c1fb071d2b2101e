#include "kernel/resize.h"

#include <algorithm>

#include "kernel/map_testing.h"

namespace tinyai {
namespace {

std::vector<ResizeShape> Shapes() {
  std::vector<ResizeShape> shapes;
  for (const ResizeKind kind : {ResizeKind::kNearest, ResizeKind::kBilinear}) {
    for (const ResizeGrid grid :
         {ResizeGrid::kHalfPixel, ResizeGrid::kAsymmetric, ResizeGrid::kAlignCorners}) {
      for (const bool round_down : {true, false}) {
        shapes.push_back({5, 9, 10, 18, kind, grid, round_down});
        shapes.push_back({5, 9, 7, 40, kind, grid, round_down});
        shapes.push_back({11, 8, 4, 3, kind, grid, round_down});
        shapes.push_back({1, 1, 3, 2, kind, grid, round_down});
        shapes.push_back({6, 6, 1, 1, kind, grid, round_down});
      }
    }
  }
  return shapes;
}

MapOp Bind(const ResizeShape& s) {
  return {s.out_rows, s.out_cols, [s](IndexRange rows) { return ResizeRowsRead(s, rows); },
          [s](const InputMap& x, const MapPart& part, const OutputMap& out) {
            Resize(s, x, part, out);
          }};
}

double PlaceOf(const ResizeShape& s, uint64_t o, uint64_t in, uint64_t out) {
  const auto i = static_cast<double>(in), n = static_cast<double>(out);
  double p = 0;
  if (s.grid == ResizeGrid::kHalfPixel) p = (static_cast<double>(o) + 0.5) * i / n - 0.5;
  if (s.grid == ResizeGrid::kAsymmetric) p = static_cast<double>(o) * i / n;
  if (s.grid == ResizeGrid::kAlignCorners && out > 1) {
    p = static_cast<double>(o) * (i - 1) / (n - 1);
  }
  p = std::clamp(p, 0.0, i - 1);
  // Places that are whole or half but for the division's rounding.
  if (std::fabs(2 * p - std::round(2 * p)) < 1e-9) p = std::round(2 * p) / 2;
  if (s.kind == ResizeKind::kBilinear) return p;
  return std::clamp(s.round_down ? std::floor(p) : std::ceil(p - 0.5), 0.0, i - 1);
}

TEST(Resize, AgreesWithTheDoubleReference) {
  ForEachInstructionSet([] {
    for (const ResizeShape& s : Shapes()) {
      const TestMap x(2, s.in_rows, s.in_cols);
      const std::vector<float> out = Bind(s).RunWhole(x);
      size_t at = 0;
      for (uint64_t c = 0; c < x.channels; ++c) {
        for (uint64_t row = 0; row < s.out_rows; ++row) {
          for (uint64_t col = 0; col < s.out_cols; ++col, ++at) {
            const double y = PlaceOf(s, row, s.in_rows, s.out_rows);
            const double w = PlaceOf(s, col, s.in_cols, s.out_cols);
            const auto y0 = static_cast<uint64_t>(y), w0 = static_cast<uint64_t>(w);
            const uint64_t y1 = std::min(y0 + 1, s.in_rows - 1);
            const uint64_t w1 = std::min(w0 + 1, s.in_cols - 1);
            const double fy = y - static_cast<double>(y0), fw = w - static_cast<double>(w0);
            const double upper = (1 - fw) * x.At(c, y0, w0) + fw * x.At(c, y0, w1);
            const double lower = (1 - fw) * x.At(c, y1, w0) + fw * x.At(c, y1, w1);
            // Three interpolations of values below 5, each of three roundings and its weight's.
            ASSERT_NEAR(out[at], (1 - fy) * upper + fy * lower, 12 * 10 * 0x1p-24)
                << "row " << row << " col " << col << " to " << s.out_rows << " x " << s.out_cols;
          }
        }
      }
    }
  });
}

TEST(Resize, GivesTheSameBitsHoweverTheMapIsDivided) {
  ForEachInstructionSet([] {
    for (const ResizeShape& s : Shapes()) {
      ExpectSameBitsInParts(Bind(s), TestMap(4, s.in_rows, s.in_cols), 5);
    }
  });
}

}  // namespace
}  // namespace tinyai
