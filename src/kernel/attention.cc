#include "kernel/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/float16.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernel/attention.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernel/exp-inl.h"
#include "kernel/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {
namespace {

constexpr size_t kLanes = hn::MaxLanes(F32Tag());

// How a cache row is read: Load gives elements i to i + kLanes - 1 as floats, where i is a multiple
// of kLanes; LoadLast the last `count` < kLanes of them, followed by zeros.
struct RowF32 {
  static HWY_INLINE VF32 Load(const std::byte* row, size_t i) {
    float values[kLanes];  // the row need not be aligned
    std::memcpy(values, row + i * sizeof(float), sizeof(values));
    return hn::LoadU(F32Tag(), values);
  }
  static HWY_INLINE VF32 LoadLast(const std::byte* row, size_t i, size_t count) {
    alignas(64) std::byte last[kLanes * sizeof(float)] = {};
    std::memcpy(last, row + i * sizeof(float), count * sizeof(float));
    return Load(last, 0);
  }
};

struct RowF16 {
  static HWY_INLINE VF32 Load(const std::byte* row, size_t i) {
    const hn::Rebind<uint16_t, F32Tag> d16;
    uint16_t halves[kLanes];
    std::memcpy(halves, row + i * sizeof(uint16_t), sizeof(halves));
    return FloatOfF16(hn::PromoteTo(U32Tag(), hn::LoadU(d16, halves)));
  }
  static HWY_INLINE VF32 LoadLast(const std::byte* row, size_t i, size_t count) {
    alignas(64) std::byte last[kLanes * sizeof(uint16_t)] = {};
    std::memcpy(last, row + i * sizeof(uint16_t), count * sizeof(uint16_t));
    return Load(last, 0);
  }
};

struct RowQ8_0 {
  static HWY_INLINE VF32 Load(const std::byte* row, size_t i) {
    static_assert(32 % kLanes == 0, "a vector lies in one block");
    const hn::Rebind<int8_t, F32Tag> d8;
    const std::byte* block = row + i / 32 * 34;
    uint16_t scale;
    std::memcpy(&scale, block, sizeof(scale));
    const auto* codes = reinterpret_cast<const int8_t*>(block + 2) + i % 32;
    const VF32 values = hn::ConvertTo(F32Tag(), hn::PromoteTo(I32Tag(), hn::LoadU(d8, codes)));
    return hn::Mul(values, FloatOfF16(hn::Set(U32Tag(), scale)));
  }
  // Rows are whole blocks: nothing is ever left over.
  static HWY_INLINE VF32 LoadLast(const std::byte*, size_t, size_t) { return hn::Zero(F32Tag()); }
};

// A cache's rows, one per position.
struct Rows {
  const std::byte* data;
  size_t stride;
  size_t size;  // elements

  size_t Whole() const { return size / kLanes * kLanes; }
  const std::byte* At(size_t position) const { return data + position * stride; }
};

// scores[h * count + p] = scale * q[h] . row p, for kHeads heads and `count` rows.
template <class Row, int kHeads>
void Score(const float* q, const Rows& keys, size_t count, float scale, float* scores) {
  const F32Tag d;
  const size_t whole = keys.Whole(), left = keys.size - whole;
  VF32 last_q[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    const auto* head = reinterpret_cast<const std::byte*>(q + h * keys.size);
    last_q[h] = left == 0 ? hn::Zero(d) : RowF32::LoadLast(head, whole, left);
  }
  for (size_t p = 0; p < count; ++p) {
    const std::byte* key = keys.At(p);
    VF32 sums[kHeads];
    for (int h = 0; h < kHeads; ++h) sums[h] = hn::Zero(d);
    for (size_t i = 0; i < whole; i += kLanes) {
      const VF32 k = Row::Load(key, i);
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = hn::MulAdd(hn::LoadU(d, q + h * keys.size + i), k, sums[h]);
      }
    }
    if (left != 0) {
      const VF32 k = Row::LoadLast(key, whole, left);
      for (int h = 0; h < kHeads; ++h) sums[h] = hn::MulAdd(last_q[h], k, sums[h]);
    }
    for (int h = 0; h < kHeads; ++h) {
      scores[h * count + p] = scale * hn::GetLane(hn::SumOfLanes(d, sums[h]));
    }
  }
}

// Replaces scores by exp(score - largest); returns 1 / their sum.
float Exponentiate(float* scores, size_t count) {
  const F32Tag d;
  const float largest = *std::max_element(scores, scores + count);
  const VF32 top = hn::Set(d, largest);
  VF32 sum = hn::Zero(d);
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const VF32 e = Exp(hn::Sub(hn::LoadU(d, scores + i), top));
    hn::StoreU(e, d, scores + i);
    sum = hn::Add(sum, e);
  }
  if (i < count) {
    alignas(64) float last[kLanes];
    std::fill_n(last, kLanes, -std::numeric_limits<float>::infinity());
    std::memcpy(last, scores + i, (count - i) * sizeof(float));
    const VF32 e = Exp(hn::Sub(hn::Load(d, last), top));
    hn::Store(e, d, last);
    std::memcpy(scores + i, last, (count - i) * sizeof(float));
    sum = hn::Add(sum, e);
  }
  return 1.0f / hn::GetLane(hn::SumOfLanes(d, sum));
}

// out[h] = factor[h] * sum_p scores[h * count + p] row p, elements [i, i + kVectors * kLanes).
template <class Row, int kHeads, int kVectors>
void MixWhole(const float* scores, const Rows& values, size_t count, const float* factor, size_t i,
              float* out) {
  const F32Tag d;
  VF32 sums[kHeads][kVectors];
  for (int h = 0; h < kHeads; ++h) {
    for (int v = 0; v < kVectors; ++v) sums[h][v] = hn::Zero(d);
  }
  for (size_t p = 0; p < count; ++p) {
    VF32 value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = Row::Load(values.At(p), i + v * kLanes);
    for (int h = 0; h < kHeads; ++h) {
      const VF32 weight = hn::Set(d, scores[h * count + p]);
      for (int v = 0; v < kVectors; ++v) sums[h][v] = hn::MulAdd(weight, value[v], sums[h][v]);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    for (int v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Mul(sums[h][v], hn::Set(d, factor[h])), d,
                 out + h * values.size + i + v * kLanes);
    }
  }
}

// The same for the last `left` < kLanes elements.
template <class Row>
void MixLast(const float* scores, const Rows& values, size_t count, float factor, size_t left,
             float* out) {
  const F32Tag d;
  const size_t whole = values.Whole();
  VF32 sum = hn::Zero(d);
  for (size_t p = 0; p < count; ++p) {
    const VF32 value = Row::LoadLast(values.At(p), whole, left);
    sum = hn::MulAdd(hn::Set(d, scores[p]), value, sum);
  }
  alignas(64) float last[kLanes];
  hn::Store(hn::Mul(sum, hn::Set(d, factor)), d, last);
  std::memcpy(out + whole, last, left * sizeof(float));
}

template <class Row, int kHeads>
void Mix(const float* scores, const Rows& values, size_t count, const float* factor, float* out) {
  const size_t whole = values.Whole(), left = values.size - whole;
  size_t i = 0;
  for (; i + 4 * kLanes <= whole; i += 4 * kLanes) {
    MixWhole<Row, kHeads, 4>(scores, values, count, factor, i, out);
  }
  for (; i < whole; i += kLanes) {
    MixWhole<Row, kHeads, 1>(scores, values, count, factor, i, out);
  }
  if (left == 0) return;
  for (int h = 0; h < kHeads; ++h) {
    MixLast<Row>(scores + h * count, values, count, factor[h], left, out + h * values.size);
  }
}

template <int kHeads>
void ScoreAny(DType type, const float* q, const Rows& keys, size_t count, float scale,
              float* scores) {
  if (type == DType::kF16) return Score<RowF16, kHeads>(q, keys, count, scale, scores);
  if (type == DType::kQ8_0) return Score<RowQ8_0, kHeads>(q, keys, count, scale, scores);
  Score<RowF32, kHeads>(q, keys, count, scale, scores);
}
template <int kHeads>
void MixAny(DType type, const float* scores, const Rows& values, size_t count, const float* factor,
            float* out) {
  if (type == DType::kF16) return Mix<RowF16, kHeads>(scores, values, count, factor, out);
  if (type == DType::kQ8_0) return Mix<RowQ8_0, kHeads>(scores, values, count, factor, out);
  Mix<RowF32, kHeads>(scores, values, count, factor, out);
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
