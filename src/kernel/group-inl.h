// Products of one token with small blocks (of 32 elements), a vector's width of blocks of one row
// at a time: 128-bit part g of every vector belongs to block g. Few instructions per byte, which is
// what a product with one token needs; the integer sums are then turned to one lane per row.

#if defined(TINYAI_KERNEL_GROUP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_GROUP_INL_H_
#undef TINYAI_KERNEL_GROUP_INL_H_
#else
#define TINYAI_KERNEL_GROUP_INL_H_
#endif

#include "kernel/panel-inl.h"

#if HWY_TARGET != HWY_SCALAR

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Blocks in a vector.
constexpr size_t kGroup = kRows / 4;

#if HWY_TARGET == HWY_AVX3_DL
// Bytes of two 64-byte loads, the second of which ends with the last byte wanted.
template <size_t kDistance>
struct SixteensIndex {
  static constexpr size_t kSecond = 3 * kDistance + 16 - 64;
  static_assert(kDistance >= 16 && kSecond <= 64);
  alignas(64) uint8_t at[64];
  constexpr SixteensIndex() : at() {
    for (size_t i = 0; i < 64; ++i) {
      const size_t byte = i / 16 * kDistance + i % 16;
      at[i] = static_cast<uint8_t>(byte < 64 ? byte : 64 + byte - kSecond);
    }
  }
};
template <size_t kDistance>
inline constexpr SixteensIndex<kDistance> kSixteensIndex;
#endif

// Sixteen bytes at p, p + kDistance, ..., one after the other.
template <size_t kDistance>
HWY_INLINE VU32 LoadSixteens(const uint8_t* p) {
#if HWY_TARGET == HWY_AVX3_DL
  const __m512i first = _mm512_loadu_si512(p);
  const __m512i second = _mm512_loadu_si512(p + SixteensIndex<kDistance>::kSecond);
  const __m512i index = _mm512_load_si512(kSixteensIndex<kDistance>.at);
  return VU32{_mm512_permutex2var_epi8(first, index, second)};
#else
  static_assert(kDistance % 2 == 0);
  return LoadApart(p, kDistance);
#endif
}

// A group of blocks of one row: the codes of elements 0 to 15 and 16 to 31 of each, and in the
// first dword of each part the block's first four bytes.
struct RowGroup {
  VU32 first, second, head;
};

HWY_INLINE RowGroup LoadRowGroup(DecodeQ4_0, const uint8_t* p) {
  const VU32 nibbles = LoadSixteens<18>(p + 2);
  return {LowNibbles(nibbles), HighNibbles(nibbles), LoadSixteens<18>(p)};
}
HWY_INLINE RowGroup LoadRowGroup(DecodeQ4_1, const uint8_t* p) {
  const VU32 nibbles = LoadSixteens<20>(p + 4);
  return {LowNibbles(nibbles), HighNibbles(nibbles), LoadSixteens<20>(p)};
}
HWY_INLINE RowGroup LoadRowGroup(DecodeQ8_0, const uint8_t* p) {
  return {DecodeQ8_0::Code(LoadSixteens<34>(p + 2)), DecodeQ8_0::Code(LoadSixteens<34>(p + 18)),
          LoadSixteens<34>(p)};
}

// Byte i of each part: 16 if bit i of the two bytes at `at` of that part of `from` is set, else 0.
template <int at>
HWY_INLINE VU32 SixteenFifthBits(VU32 from) {
  const hn::Repartition<uint8_t, U32Tag> d8;
  alignas(16) static constexpr uint8_t kByte[16] = {at,     at,     at,     at,     at,     at,
                                                    at,     at,     at + 1, at + 1, at + 1, at + 1,
                                                    at + 1, at + 1, at + 1, at + 1};
  alignas(16) static constexpr uint8_t kBit[16] = {1, 2, 4, 8, 16, 32, 64, 128,
                                                   1, 2, 4, 8, 16, 32, 64, 128};
  const auto bits = hn::LoadDup128(d8, kBit);
  const auto spread = hn::TableLookupBytes(hn::BitCast(d8, from), hn::LoadDup128(d8, kByte));
  const auto set = hn::Eq(hn::And(spread, bits), bits);
  return hn::BitCast(U32Tag(), hn::IfThenElseZero(set, hn::Set(d8, uint8_t{16})));
}
HWY_INLINE RowGroup LoadRowGroup(DecodeQ5_0, const uint8_t* p) {
  const VU32 nibbles = LoadSixteens<22>(p + 6), head = LoadSixteens<22>(p);
  return {hn::Or(LowNibbles(nibbles), SixteenFifthBits<2>(head)),
          hn::Or(HighNibbles(nibbles), SixteenFifthBits<4>(head)), head};
}
HWY_INLINE RowGroup LoadRowGroup(DecodeQ5_1, const uint8_t* p) {
  const VU32 nibbles = LoadSixteens<24>(p + 8), head = LoadSixteens<24>(p);
  return {hn::Or(LowNibbles(nibbles), SixteenFifthBits<4>(head)),
          hn::Or(HighNibbles(nibbles), SixteenFifthBits<6>(head)), head};
}

// In each part: the first dwords of a, b, c and e.
HWY_INLINE VU32 FirstDwords(VU32 a, VU32 b, VU32 c, VU32 e) {
  const U32Tag d;
  const hn::Repartition<uint64_t, U32Tag> d64;
  const auto ab = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
  const auto ce = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
  return hn::BitCast(d, hn::InterleaveLower(d64, ab, ce));
}

// In each part: the sums of the four dwords of a, of b, of c and of e.
HWY_INLINE VI32 PartSums(VI32 a, VI32 b, VI32 c, VI32 e) {
  const I32Tag d;
  const hn::Repartition<int64_t, I32Tag> d64;
  const VI32 ab = hn::Add(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
  const VI32 ce = hn::Add(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
  const auto ab64 = hn::BitCast(d64, ab), ce64 = hn::BitCast(d64, ce);
  return hn::Add(hn::BitCast(d, hn::InterleaveLower(d64, ab64, ce64)),
                 hn::BitCast(d, hn::InterleaveUpper(d64, ab64, ce64)));
}

// Part g of v[j] becomes part j of v[g].
template <class D, class V>
HWY_INLINE void TransposeParts(D d, V (&v)[kGroup]) {
#if HWY_CAP_GE512
  const V even01 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(v[1]), v[0]);
  const V odd01 = hn::OddEvenBlocks(v[1], hn::SwapAdjacentBlocks(v[0]));
  const V even23 = hn::OddEvenBlocks(hn::SwapAdjacentBlocks(v[3]), v[2]);
  const V odd23 = hn::OddEvenBlocks(v[3], hn::SwapAdjacentBlocks(v[2]));
  v[0] = hn::ConcatLowerLower(d, even23, even01);
  v[1] = hn::ConcatLowerLower(d, odd23, odd01);
  v[2] = hn::ConcatUpperUpper(d, even23, even01);
  v[3] = hn::ConcatUpperUpper(d, odd23, odd01);
#elif HWY_CAP_GE256
  const V low = hn::ConcatLowerLower(d, v[1], v[0]);
  v[1] = hn::ConcatUpperUpper(d, v[1], v[0]);
  v[0] = low;
#else
  (void)d;
  (void)v;
#endif
}

// The integer products of a group of blocks of kRows rows with x, and their heads: lane r of
// dots[g] and heads[g] is block g of row r.
struct GroupProducts {
  VI32 dots[kGroup];
  VU32 heads[kGroup];
};

template <class Decoder>
HWY_INLINE GroupProducts MultiplyGroup(const uint8_t* p, size_t stride, const uint8_t* x) {
  const VI32 x_first = hn::BitCast(I32Tag(), LoadSixteens<32>(x));
  const VI32 x_second = hn::BitCast(I32Tag(), LoadSixteens<32>(x + 16));
  GroupProducts result;
  for (size_t j = 0; j < kGroup; ++j) {  // rows 4j to 4j + 3
    VI32 dot[4];
    VU32 head[4];
    for (size_t i = 0; i < 4; ++i) {
      const RowGroup row = LoadRowGroup(Decoder(), p + (4 * j + i) * stride);
      const VI32 first = hn::BitCast(I32Tag(), row.first);
      const VI32 second = hn::BitCast(I32Tag(), row.second);
      dot[i] = Dot<Decoder::kForm>(hn::Zero(I32Tag()), first, x_first);
      dot[i] = Dot<Decoder::kForm>(dot[i], second, x_second);
      head[i] = row.head;
    }
    result.dots[j] = PartSums(dot[0], dot[1], dot[2], dot[3]);
    result.heads[j] = FirstDwords(head[0], head[1], head[2], head[3]);
  }
  TransposeParts(I32Tag(), result.dots);
  TransposeParts(U32Tag(), result.heads);
  return result;
}

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_TARGET != HWY_SCALAR
#endif  // TINYAI_KERNEL_GROUP_INL_H_
