// Products of float rows with one token, a whole cache line of every row at a time: rows often lie
// a power of two apart, and then sixteen of them do not stay in the nearest cache between two
// visits.

#if defined(TINYAI_KERNEL_LINE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_LINE_INL_H_
#undef TINYAI_KERNEL_LINE_INL_H_
#else
#define TINYAI_KERNEL_LINE_INL_H_
#endif

#include "kernel/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Runs of kLineRun columns whose sums are taken side by side.
constexpr size_t kLineRuns = 4;
constexpr size_t kLineRun = 32;

#if HWY_CAP_GE512 && HWY_ARCH_X86
constexpr bool kHaveLines = true;

template <int kBlocks>
HWY_INLINE VF32 ShuffleBlocks(VF32 a, VF32 b) {
  return VF32{_mm512_shuffle_f32x4(a.raw, b.raw, kBlocks)};
}

// column[c] = lane r: float c of the line at p + r * stride.
HWY_INLINE void LoadLine(const uint8_t* p, size_t stride, VF32 (&column)[16]) {
  const F32Tag d;
  const hn::Repartition<double, F32Tag> d64;
  VF32 four[4][4];  // [rows by fours][j]: its 128-bit block b has column 4 b + j
#pragma GCC unroll 4
  for (size_t g = 0; g < 4; ++g) {
    VF32 row[4];
#pragma GCC unroll 4
    for (size_t r = 0; r < 4; ++r) {
      float values[16];  // the row need not be aligned
      std::memcpy(values, p + (4 * g + r) * stride, sizeof(values));
      row[r] = hn::LoadU(d, values);
    }
    const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, row[0], row[1]));
    const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, row[2], row[3]));
    const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, row[0], row[1]));
    const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, row[2], row[3]));
    four[g][0] = hn::BitCast(d, hn::InterleaveLower(d64, low01, low23));
    four[g][1] = hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23));
    four[g][2] = hn::BitCast(d, hn::InterleaveLower(d64, high01, high23));
    four[g][3] = hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23));
  }
#pragma GCC unroll 4
  for (size_t j = 0; j < 4; ++j) {
    constexpr int kEven = 0x88, kOdd = 0xDD;
    const VF32 even01 = ShuffleBlocks<kEven>(four[0][j], four[1][j]);
    const VF32 even23 = ShuffleBlocks<kEven>(four[2][j], four[3][j]);
    const VF32 odd01 = ShuffleBlocks<kOdd>(four[0][j], four[1][j]);
    const VF32 odd23 = ShuffleBlocks<kOdd>(four[2][j], four[3][j]);
    column[j] = ShuffleBlocks<kEven>(even01, even23);
    column[4 + j] = ShuffleBlocks<kEven>(odd01, odd23);
    column[8 + j] = ShuffleBlocks<kOdd>(even01, even23);
    column[12 + j] = ShuffleBlocks<kOdd>(odd01, odd23);
  }
}

// sums += kLineRuns runs of columns of kRows rows times x: each run's sum is a chain of its own.
HWY_INLINE void MultiplyLines(const uint8_t* rows, size_t stride, const float* x, float* sums) {
  const F32Tag d;
  VF32 run[kLineRuns];
  for (auto& r : run) r = hn::Zero(d);
  for (size_t line = 0; line < kLineRun / 16; ++line) {
    for (size_t r = 0; r < kLineRuns; ++r) {
      const size_t at = r * kLineRun + line * 16;
      VF32 column[16];
      LoadLine(rows + at * sizeof(float), stride, column);
#pragma GCC unroll 16
      for (size_t c = 0; c < 16; ++c) {
        run[r] = hn::MulAdd(column[c], hn::Set(d, x[at + c]), run[r]);
      }
    }
  }
  VF32 sum = hn::Load(d, sums);
  for (const auto& r : run) sum = hn::Add(sum, r);
  hn::Store(sum, d, sums);
}

#else
constexpr bool kHaveLines = false;
HWY_INLINE void MultiplyLines(const uint8_t*, size_t, const float*, float*) {}
#endif

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_LINE_INL_H_
