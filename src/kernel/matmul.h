#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace tinyai {

// Some consecutive rows of a weight matrix, as they lie in the file; no alignment is needed.
struct WeightRows {
  DType type;
  const std::byte* data;
  uint64_t cols;  // elements of a row
  uint64_t rows;
  uint64_t sparse_row_bytes = 0;  // not 0: rows of sparse_rows.h, so many bytes apart

  uint64_t row_bytes() const {
    return sparse_row_bytes != 0 ? sparse_row_bytes : RowBytes(type, cols);
  }
};

// In which order a product goes through its rows and tokens, and what it asks memory for
// beforehand. None of it changes a bit of the result.
struct Tiling {
  static constexpr uint64_t kNextTile = ~uint64_t{0};

  // Rows and tokens that are multiplied with each other before the next ones: rows up to whole
  // tiles, tokens at most those of a tile. 0: all rows, and the tokens of a tile.
  uint64_t block = 0;
  // How far ahead of the tile in use weights are asked for: as many bytes, as much as a tile has.
  uint64_t prefetch_bytes = kNextTile;
  uint64_t line_bytes = 64;  // what one request fetches

  bool operator==(const Tiling&) const = default;
};

// out[t * out_stride + r] = weights row r . activation row t, for every r < weights.rows and
// t < tokens. Each result depends on its own two rows only and is computed in one fixed order, so
// it has the same bits however rows and tokens are grouped into calls. No allocation, no threads,
// at most 96 KiB of stack. Fastest for rows in multiples of 32 and many tokens a call.

// Activations from QuantizeRow, `x_stride` bytes from one to the next. Exact integer products
// within a block of 32; one float multiply-add per block. For every type but F32, F16 and BF16.
void MatMulQ8(const WeightRows& weights, const std::byte* x, uint64_t x_stride, uint64_t tokens,
              float* out, uint64_t out_stride, const Tiling& tiling = {});

// Activations in float, `x_stride` elements from one to the next; weights are decoded to float
// exactly. For every type.
void MatMulF32(const WeightRows& weights, const float* x, uint64_t x_stride, uint64_t tokens,
               float* out, uint64_t out_stride, const Tiling& tiling = {});

// Decodes the columns from `begin` on, a multiple of 256, of row `row`: at most 256.
void DecodeColumns(const WeightRows& weights, uint64_t row, uint64_t begin, std::span<float> out);

// Decodes `out.size()` elements (whole blocks) to float.
void DecodeRow(DType type, const std::byte* data, std::span<float> out);

}  // namespace tinyai
