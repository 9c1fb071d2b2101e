#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernel/window.h"

namespace tinyai {

// Attention of float operands: queries [queries][heads * head_dim], keys [keys][kv_heads *
// head_dim], values [keys][kv_heads * value_dim], result [queries][heads * value_dim]; query head h
// reads key/value head h / (heads / kv_heads). Strides are floats from one row to the next, so the
// operands may be columns of one matrix.
struct AttendShape {
  uint64_t queries, keys;
  uint64_t heads, kv_heads;  // heads is a multiple of kv_heads
  uint64_t head_dim, value_dim;
  uint64_t q_stride, k_stride, v_stride, out_stride;
  float scale;  // 1 / sqrt(head_dim) as a rule
  // Query i sees keys up to i + keys - queries (queries <= keys), else all.
  bool causal = false;
  // Added to the scores, [queries][keys], or null; a row of -infinity alone gives zeros.
  const float* mask = nullptr;
};

struct AttendOperands {
  const float* q;
  const float* k;
  const float* v;
};

// Bytes of workspace that a call needs, 64-byte aligned: some rows of scores.
uint64_t AttendWorkspaceBytes(const AttendShape& shape);

// out = softmax(scale q k^T + mask) v, for the queries and heads given. Pointers are those of row 0
// and head 0. A result is computed in one fixed order: its bits do not depend on the ranges. `out`
// overlaps no operand.
void AttendRows(const AttendShape& shape, const AttendOperands& x, IndexRange queries,
                IndexRange heads, std::span<std::byte> workspace, float* out);

}  // namespace tinyai
