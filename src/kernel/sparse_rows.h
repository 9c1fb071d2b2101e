#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/dtype.h"

namespace tinyai {

// Rows of weights without those that are zero. A row is
//   uint32  for each run of 256 columns, where its groups begin, in bytes from the row's start
//   groups  of 32 columns (the last of a row of floats may have fewer):
//     uint32  bit e: element e is there
//     scale   of Q8_0, Q4_0 and INT2, 2 bytes
//     codes   of the elements that are there; of Q4_0 two in a byte, of INT2 four, the first one
//     low
// Unpacked it has the bytes that it was packed from. All rows of a matrix take the bytes of the
// longest.

// Columns that can be unpacked alone, a multiple of every type's block.
constexpr uint64_t kSparseRun = 256;

// F32, F16, BF16, Q8_0, Q4_0 and INT2.
bool HasSparseRows(DType type);
// The most that a row may take.
uint64_t MostSparseRowBytes(DType type, uint64_t cols);
// Packs a row and returns what it takes. `out` has MostSparseRowBytes().
uint64_t PackSparseRow(DType type, uint64_t cols, const std::byte* row, std::byte* out);
// Unpacks the columns from `begin` on, where a run begins, to its end or the row's. Nothing beyond
// `row` is read and nothing beyond the columns written, whatever is there; groups that do not lie
// in the row are zero.
void UnpackSparseRun(DType type, uint64_t cols, std::span<const std::byte> row, uint64_t begin,
                     std::byte* out);

}  // namespace tinyai
