#pragma once

#include "graph/graph.h"
#include "kernel/matmul.h"

namespace tinyai {

// Rows of a weight, from `data` on. A weight whose rows have fewer bytes than rows of its type is
// sparse (kernel/sparse_rows.h).
inline WeightRows RowsAt(const Weight& weight, const std::byte* data, uint64_t rows) {
  const bool sparse = weight.row_bytes() < RowBytes(weight.type, weight.cols);
  return {weight.type, data, weight.cols, rows, sparse ? weight.row_bytes() : 0};
}

}  // namespace tinyai
