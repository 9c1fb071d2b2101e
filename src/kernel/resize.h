#pragma once

#include <cstdint>

#include "kernel/window.h"

namespace tinyai {

enum class ResizeKind : uint8_t { kNearest, kBilinear };

// Where output o lies on the axis of the input.
enum class ResizeGrid : uint8_t {
  kHalfPixel,     // (o + 0.5) in / out - 0.5
  kAsymmetric,    // o in / out
  kAlignCorners,  // o (in - 1) / (out - 1)
};

struct ResizeShape {
  uint64_t in_rows, in_cols;
  uint64_t out_rows, out_cols;
  ResizeKind kind;
  ResizeGrid grid;
  // Of kNearest: whether a place between two inputs is rounded down, as PyTorch does, or to the
  // nearer one (the lower of equals), as ONNX does unless told otherwise.
  bool round_down = true;
};

// The rows of the input that the outputs `rows` read.
IndexRange ResizeRowsRead(const ResizeShape& shape, IndexRange rows);

// Resizes each channel of the part; places outside the input are moved to its edge. `x` and `out`
// do not overlap.
void Resize(const ResizeShape& shape, const InputMap& x, const MapPart& part, const OutputMap& out);

}  // namespace tinyai
