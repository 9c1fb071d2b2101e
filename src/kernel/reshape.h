#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/window.h"

namespace tinyai {

// Ops that move elements and change none.

constexpr size_t kMaxRank = 6;

// `rows` rows of `cols` elements, strides in elements: concatenation writes with the stride of the
// whole, splitting reads with it. `x` and `out` do not overlap.
void CopyRows(const float* x, uint64_t x_stride, uint64_t rows, uint64_t cols, float* out,
              uint64_t out_stride);

// Axis a of the output is axis order[a] of x[shape...]; rank <= kMaxRank. Writes the outputs whose
// first index lies in `first_axis`; `out` is where the first of them goes.
void Transpose(const float* x, std::span<const uint64_t> shape, std::span<const uint32_t> order,
               IndexRange first_axis, float* out);

enum class PadKind : uint8_t {
  kConstant,
  kEdge,     // the nearest element
  kReflect,  // mirrored at the first and the last element, which are not repeated
};

struct PadShape {
  std::span<const uint64_t> in;      // rank <= kMaxRank
  std::span<const uint64_t> before;  // elements added before each axis; kReflect: less than in
  std::span<const uint64_t> out;     // before + in + what is added after
  PadKind kind = PadKind::kConstant;
  float value = 0;
};

// Writes the outputs whose first index lies in `first_axis`; `out` is where the first of them goes.
void Pad(const PadShape& shape, const float* x, IndexRange first_axis, float* out);

}  // namespace tinyai
