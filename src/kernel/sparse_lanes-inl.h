// Readers of vectors of columns of float rows, ordinary and sparse ones.

#if defined(TINYAI_KERNEL_SPARSE_LANES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_SPARSE_LANES_INL_H_
#undef TINYAI_KERNEL_SPARSE_LANES_INL_H_
#else
#define TINYAI_KERNEL_SPARSE_LANES_INL_H_
#endif

#include <bit>

#include "kernel/lanes-inl.h"
#include "kernel/rows-inl.h"
#include "kernel/sparse_rows.h"

// Whether sparse rows of floats are expanded in registers.
#undef TINYAI_SPARSE_LANES
#if HWY_CAP_GE512 && HWY_ARCH_X86
#define TINYAI_SPARSE_LANES 1
#else
#define TINYAI_SPARSE_LANES 0
#endif

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
template <class D16>
HWY_INLINE hn::Vec<D16> ReadHalves(D16 d16, const uint8_t* p) {
  hn::TFromD<D16> values[kLanes];
  std::memcpy(values, p, sizeof(values));
  return hn::LoadU(d16, values);
}
struct ReadF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Read(const uint8_t* p) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
    return hn::PromoteTo(F32Tag(), ReadHalves(hn::Rebind<hwy::float16_t, U32Tag>(), p));
#else
    return FloatOfF16(hn::PromoteTo(U32Tag(), ReadHalves(hn::Rebind<uint16_t, U32Tag>(), p)));
#endif
  }
};
struct ReadBF16 {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE VF32 Read(const uint8_t* p) {
    const hn::Rebind<uint16_t, U32Tag> d16;
    const VU32 halves = hn::PromoteTo(U32Tag(), ReadHalves(d16, p));
    return hn::BitCast(F32Tag(), hn::ShiftLeft<16>(halves));
  }
};

#if TINYAI_SPARSE_LANES
// A sparse row (sparse_rows.h), read from a column on where a run begins, a group of 2 * kLanes
// columns at a time. Nothing beyond the row is read, whatever is there: groups that do not lie in
// it are zero.
template <class Reader>
class SparseRow {
 public:
  struct Group {
    VF32 low, high;
  };

  SparseRow() = default;
  HWY_INLINE SparseRow(const uint8_t* row, size_t row_bytes, size_t col) : end_(row + row_bytes) {
    const size_t entry = col / kSparseRun * sizeof(uint32_t);
    uint32_t at = ~uint32_t{0};
    if (entry + sizeof(at) <= row_bytes) std::memcpy(&at, row + entry, sizeof(at));
    group_ = row + std::min<size_t>(at, row_bytes);
  }
  HWY_INLINE void Prefetch(size_t bytes_later) const {
    __builtin_prefetch(group_ + bytes_later, 0, 2);
  }
  HWY_INLINE Group Next() {
    const bool whole = static_cast<size_t>(end_ - group_) >= kMostBytes;
    return whole ? Read<true>() : Read<false>();
  }

 private:
  static constexpr size_t kMostBytes = sizeof(uint32_t) + 2 * kLanes * Reader::kBytes;

  template <bool kWhole>
  HWY_INLINE Group Read() {
    const auto left = static_cast<size_t>(end_ - group_);
    uint32_t there = 0;
    if (kWhole || left >= sizeof(there)) std::memcpy(&there, group_, sizeof(there));
    const auto bytes = static_cast<size_t>(std::popcount(there)) * Reader::kBytes;
    if (!kWhole && sizeof(there) + bytes > left) {
      group_ = end_;
      return {hn::Zero(F32Tag()), hn::Zero(F32Tag())};
    }
    const uint8_t* codes = group_ + sizeof(there);
    const auto low_bytes = static_cast<size_t>(std::popcount(there & 0xFFFF)) * Reader::kBytes;
    group_ = codes + bytes;
    return {Expand<kWhole>(codes, there & 0xFFFF), Expand<kWhole>(codes + low_bytes, there >> 16)};
  }
  // The elements that `bits` has, each in its place.
  template <bool kWhole>
  static HWY_INLINE VF32 Expand(const uint8_t* codes, uint32_t bits) {
    const auto there = static_cast<__mmask16>(bits);
    if constexpr (kWhole) return VF32{_mm512_maskz_expand_ps(there, Reader::Read(codes).raw)};
    alignas(64) uint8_t some[kLanes * Reader::kBytes] = {};
    std::memcpy(some, codes, static_cast<size_t>(std::popcount(bits)) * Reader::kBytes);
    return VF32{_mm512_maskz_expand_ps(there, Reader::Read(some).raw)};
  }

  const uint8_t *group_ = nullptr, *end_ = nullptr;
};
#endif

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_SPARSE_LANES_INL_H_
