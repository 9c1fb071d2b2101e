// Scores of queries against rows of keys, and mixtures of rows of values, for attention over a
// cache and over operands. A result depends on its own rows only and is summed in their order.

#if defined(TINYAI_KERNEL_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ATTENTION_INL_H_
#undef TINYAI_KERNEL_ATTENTION_INL_H_
#else
#define TINYAI_KERNEL_ATTENTION_INL_H_
#endif

#include <cstring>

#include "kernel/lanes-inl.h"
#include "kernel/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

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

// scores[h * count + p] = scale * q[h] . row p, for kHeads queries, `stride` floats from one to the
// next, and `count` rows.
template <class Row, int kHeads>
void Score(const float* q, size_t stride, const Rows& keys, size_t count, float scale,
           float* scores) {
  const F32Tag d;
  const size_t whole = keys.Whole(), left = keys.size - whole;
  VF32 last_q[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    const auto* head = reinterpret_cast<const std::byte*>(q + h * stride);
    last_q[h] = left == 0 ? hn::Zero(d) : RowF32::LoadLast(head, whole, left);
  }
  for (size_t p = 0; p < count; ++p) {
    const std::byte* key = keys.At(p);
    VF32 sums[kHeads];
    for (int h = 0; h < kHeads; ++h) sums[h] = hn::Zero(d);
    for (size_t i = 0; i < whole; i += kLanes) {
      const VF32 k = Row::Load(key, i);
      for (int h = 0; h < kHeads; ++h) {
        sums[h] = hn::MulAdd(hn::LoadU(d, q + h * stride + i), k, sums[h]);
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

// out[h] = factor[h] * sum_p scores[h * count + p] row p, elements [i, i + kVectors * kLanes).
template <class Row, int kHeads, int kVectors>
void MixWhole(const float* scores, const Rows& values, size_t count, const float* factor, size_t i,
              float* out, size_t stride) {
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
      hn::StoreU(hn::Mul(sums[h][v], hn::Set(d, factor[h])), d, out + h * stride + i + v * kLanes);
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

// All elements; results lie `stride` floats apart.
template <class Row, int kHeads>
void Mix(const float* scores, const Rows& values, size_t count, const float* factor, float* out,
         size_t stride) {
  const size_t whole = values.Whole(), left = values.size - whole;
  size_t i = 0;
  for (; i + 4 * kLanes <= whole; i += 4 * kLanes) {
    MixWhole<Row, kHeads, 4>(scores, values, count, factor, i, out, stride);
  }
  for (; i < whole; i += kLanes) {
    MixWhole<Row, kHeads, 1>(scores, values, count, factor, i, out, stride);
  }
  if (left == 0) return;
  for (int h = 0; h < kHeads; ++h) {
    MixLast<Row>(scores + h * count, values, count, factor[h], left, out + h * stride);
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ATTENTION_INL_H_
