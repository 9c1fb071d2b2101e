#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace tinyai {

// The cached keys and values of one key/value head: consecutive rows, one per position, of type F16
// or Q8_0 (head_dim a multiple of 32) or F32.
struct KvHead {
  DType key_type;
  DType value_type;
  const std::byte* keys;    // rows of RowBytes(key_type, head_dim)
  const std::byte* values;  // rows of RowBytes(value_type, head_dim)
};

// Attention of one token for the `group` query heads that share a key/value head:
// out[h] = sum_p softmax_p(scale * q[h] . key[p]) value[p] over positions first <= p < end.
// q and out: group rows of head_dim floats. scores: workspace of group * (end - first) floats.
// A result depends on its own inputs only and is computed in one fixed order.
void Attend(const float* q, uint64_t group, uint64_t head_dim, const KvHead& kv, uint64_t first,
            uint64_t end, float scale, float* scores, float* out);

// Encodes a row for the cache: F32 copy, F16 nearest, Q8_0 nearest.
void EncodeRow(const float* x, uint64_t size, DType type, std::byte* out);

}  // namespace tinyai
