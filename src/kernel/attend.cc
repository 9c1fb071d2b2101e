#include "kernel/attend.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/attend.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/attention-inl.h"
#include "kernel/softmax-inl.h"

#ifndef TINYAI_KERNEL_ATTEND_ONCE
#define TINYAI_KERNEL_ATTEND_ONCE
namespace tinyai {

// Queries that share a pass over keys and values, where all of them see all of these.
constexpr uint64_t kQueriesAtOnce = 4;

}  // namespace tinyai
#endif

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

Rows RowsOf(const float* data, size_t stride, size_t size) {
  return {reinterpret_cast<const std::byte*>(data), stride * sizeof(float), size};
}

// Scores to weights; returns what to multiply the mixture with, 0 if nothing is to be seen.
float Weigh(float* scores, size_t count, const float* mask) {
  if (mask != nullptr) {
    for (size_t p = 0; p < count; ++p) scores[p] += mask[p];
    const float largest = *std::max_element(scores, scores + count);
    if (largest == -std::numeric_limits<float>::infinity()) {
      std::fill_n(scores, count, 0.0f);
      return 0;
    }
  }
  return Exponentiate(scores, count);
}

// kQueries queries from `query` on, of one head.
template <int kQueries>
void AttendSome(const AttendShape& s, const AttendOperands& x, size_t query, size_t head,
                float* scores, float* out) {
  const size_t kv_head = head / (s.heads / s.kv_heads);
  const size_t count = s.causal ? query + s.keys - s.queries + 1 : s.keys;
  const Rows keys = RowsOf(x.k + kv_head * s.head_dim, s.k_stride, s.head_dim);
  const Rows values = RowsOf(x.v + kv_head * s.value_dim, s.v_stride, s.value_dim);
  Score<RowF32, kQueries>(x.q + query * s.q_stride + head * s.head_dim, s.q_stride, keys, count,
                          s.scale, scores);
  float factor[kQueries];
  for (int i = 0; i < kQueries; ++i) {
    const float* mask = s.mask == nullptr ? nullptr : s.mask + (query + i) * s.keys;
    factor[i] = Weigh(scores + i * count, count, mask);
  }
  Mix<RowF32, kQueries>(scores, values, count, factor,
                        out + query * s.out_stride + head * s.value_dim, s.out_stride);
}

}  // namespace

void AttendRowsSimd(const AttendShape& s, const AttendOperands& x, IndexRange queries,
                    IndexRange heads, float* scores, float* out) {
  for (size_t head = heads.first; head < heads.end; ++head) {
    size_t query = queries.first;
    while (!s.causal && query + kQueriesAtOnce <= queries.end) {
      AttendSome<kQueriesAtOnce>(s, x, query, head, scores, out);
      query += kQueriesAtOnce;
    }
    for (; query < queries.end; ++query) AttendSome<1>(s, x, query, head, scores, out);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(AttendRowsSimd);

uint64_t AttendWorkspaceBytes(const AttendShape& shape) {
  const uint64_t rows = shape.causal ? 1 : kQueriesAtOnce;
  return (rows * shape.keys * sizeof(float) + 63) / 64 * 64;
}

void AttendRows(const AttendShape& shape, const AttendOperands& x, IndexRange queries,
                IndexRange heads, std::span<std::byte> workspace, float* out) {
  HWY_DYNAMIC_DISPATCH(AttendRowsSimd)
  (shape, x, queries, heads, reinterpret_cast<float*>(workspace.data()), out);
}

}  // namespace tinyai
#endif
