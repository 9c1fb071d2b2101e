#include "kernel/attention.h"

#include <algorithm>

#include "base/float16.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/attention-inl.h"
#include "kernel/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

template <int kHeads>
void ScoreAny(DType type, const float* q, const Rows& keys, size_t count, float scale,
              float* scores) {
  if (type == DType::kF16) return Score<RowF16, kHeads>(q, keys.size, keys, count, scale, scores);
  if (type == DType::kQ8_0) return Score<RowQ8_0, kHeads>(q, keys.size, keys, count, scale, scores);
  Score<RowF32, kHeads>(q, keys.size, keys, count, scale, scores);
}
template <int kHeads>
void MixAny(DType type, const float* scores, const Rows& values, size_t count, const float* factor,
            float* out) {
  if (type == DType::kF16)
    return Mix<RowF16, kHeads>(scores, values, count, factor, out, values.size);
  if (type == DType::kQ8_0)
    return Mix<RowQ8_0, kHeads>(scores, values, count, factor, out, values.size);
  Mix<RowF32, kHeads>(scores, values, count, factor, out, values.size);
}

template <int kHeads>
void AttendHeads(const float* q, const KvHead& kv, const Rows& keys, const Rows& values,
                 size_t count, float scale, float* scores, float* out) {
  ScoreAny<kHeads>(kv.key_type, q, keys, count, scale, scores);
  float factor[kHeads];
  for (int h = 0; h < kHeads; ++h) factor[h] = Exponentiate(scores + h * count, count);
  MixAny<kHeads>(kv.value_type, scores, values, count, factor, out);
}

}  // namespace

void AttendSimd(const float* q, size_t group, size_t head_dim, const KvHead& kv, size_t first,
                size_t end, float scale, float* scores, float* out) {
  const size_t key_bytes = RowBytes(kv.key_type, head_dim);
  const size_t value_bytes = RowBytes(kv.value_type, head_dim);
  const Rows keys = {kv.keys + first * key_bytes, key_bytes, head_dim};
  const Rows values = {kv.values + first * value_bytes, value_bytes, head_dim};
  const size_t count = end - first;
  size_t h = 0;
  for (; h + 4 <= group; h += 4) {
    AttendHeads<4>(q + h * head_dim, kv, keys, values, count, scale, scores + h * count,
                   out + h * head_dim);
  }
  for (; h < group; ++h) {
    AttendHeads<1>(q + h * head_dim, kv, keys, values, count, scale, scores + h * count,
                   out + h * head_dim);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tinyai {

HWY_EXPORT(AttendSimd);

void Attend(const float* q, uint64_t group, uint64_t head_dim, const KvHead& kv, uint64_t first,
            uint64_t end, float scale, float* scores, float* out) {
  if (first >= end) {
    std::fill_n(out, group * head_dim, 0.0f);
    return;
  }
  HWY_DYNAMIC_DISPATCH(AttendSimd)
  (q, group, head_dim, kv, first, end, scale, scores, out);
}

}  // namespace tinyai
#endif
