// Products of rows of floats with one token: rows are read as they lie, each with a vector of sums
// of its own.

#if defined(TINYAI_KERNEL_ONE_TOKEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#undef TINYAI_KERNEL_ONE_TOKEN_INL_H_
#else
#define TINYAI_KERNEL_ONE_TOKEN_INL_H_
#endif

#include "kernel/lanes-inl.h"
#include "kernel/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Readers of the float types: kLanes columns of a row, which need not be aligned.
struct ReadF32 {
  static constexpr size_t kBytes = 4;
  static HWY_INLINE VF32 Read(const uint8_t* p) {
    float values[kLanes];
    std::memcpy(values, p, sizeof(values));
    return hn::LoadU(F32Tag(), values);
  }
};
HWY_INLINE VU32 ReadHalves(const uint8_t* p) {
  const hn::Rebind<uint16_t, U32Tag> d16;
  uint16_t values[kLanes];
  std::memcpy(values, p, sizeof(values));
  return hn::PromoteTo(U32Tag(), hn::LoadU(d16, values));
}
struct ReadF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Read(const uint8_t* p) { return FloatOfF16(ReadHalves(p)); }
};
struct ReadBF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Read(const uint8_t* p) {
    return hn::BitCast(F32Tag(), hn::ShiftLeft<16>(ReadHalves(p)));
  }
};

// sums[r] += the columns of row r times x: of each lane's columns one chain of multiply-adds from
// zero on, and these added in the order of the lanes. `columns` <= kChunkColumns, `rows` <= kRows.
template <class Reader>
HWY_NOINLINE void MultiplyRows(Source weights, size_t rows, size_t columns, const float* x,
                               float* sums) {
  const F32Tag d;
  alignas(64) float lanes[kRows][kLanes];
  constexpr size_t kAtOnce = kRows < 4 ? kRows : 4;
  for (size_t first = 0; first < kRows; first += kAtOnce) {
    const uint8_t* row[kAtOnce];
    for (size_t r = 0; r < kAtOnce; ++r) {  // behind the end, the last one again
      row[r] = weights.data + std::min(first + r, rows - 1) * weights.stride;
    }
    VF32 sum[kAtOnce];
    for (auto& s : sum) s = hn::Zero(d);
    size_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      const VF32 factor = hn::LoadU(d, x + c);
#pragma GCC unroll 4
      for (size_t r = 0; r < kAtOnce; ++r) {
        sum[r] = hn::MulAdd(Reader::Read(row[r] + c * Reader::kBytes), factor, sum[r]);
      }
    }
    if (c < columns) {
      const VF32 factor = LoadFirst(x + c, columns - c);
      for (size_t r = 0; r < kAtOnce; ++r) {
        alignas(64) uint8_t rest[kLanes * Reader::kBytes] = {};
        std::memcpy(rest, row[r] + c * Reader::kBytes, (columns - c) * Reader::kBytes);
        sum[r] = hn::MulAdd(Reader::Read(rest), factor, sum[r]);
      }
    }
    for (size_t r = 0; r < kAtOnce; ++r) hn::Store(sum[r], d, lanes[first + r]);
  }
  VF32 total = hn::Load(d, sums);
  if constexpr (kLanes == 1) {
    total = hn::Add(total, hn::Load(d, lanes[0]));
  } else {
    const auto* bytes = reinterpret_cast<const uint8_t*>(lanes);
    for (size_t lane = 0; lane < kLanes; lane += 4) {
      const Chunk four = LoadChunk(bytes + lane * sizeof(float), sizeof(lanes[0]));
      total = hn::Add(total, hn::BitCast(d, four.v0));
      total = hn::Add(total, hn::BitCast(d, four.v1));
      total = hn::Add(total, hn::BitCast(d, four.v2));
      total = hn::Add(total, hn::BitCast(d, four.v3));
    }
  }
  hn::Store(total, d, sums);
}

using MultiplyRowsFunction = void (*)(Source weights, size_t rows, size_t columns, const float* x,
                                      float* sums);

// Null for types that are no floats.
inline MultiplyRowsFunction MultiplyRowsOf(DType type) {
  switch (type) {
    case DType::kF32:
      return MultiplyRows<ReadF32>;
    case DType::kF16:
      return MultiplyRows<ReadF16>;
    case DType::kBF16:
      return MultiplyRows<ReadBF16>;
    default:
      return nullptr;
  }
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_ONE_TOKEN_INL_H_
