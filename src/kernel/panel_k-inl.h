// Panel decoders of the K types, whose blocks have 256 elements in sub-blocks of 32 or 16. The
// product of the block's f16 scale and a sub-block's integer scale is exact in float.

#if defined(TINYAI_KERNEL_PANEL_K_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_PANEL_K_INL_H_
#undef TINYAI_KERNEL_PANEL_K_INL_H_
#else
#define TINYAI_KERNEL_PANEL_K_INL_H_
#endif

#include "kernel/panel-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

// Scales of sub-blocks s to s + 3 from the four bytes of each lane.
HWY_INLINE void StoreFourScales(VF32 d, VU32 bytes, size_t s, Panel& panel) {
  StoreScale(hn::Mul(d, FloatOfByte<0>(bytes)), s, panel);
  StoreScale(hn::Mul(d, FloatOfByte<1>(bytes)), s + 1, panel);
  StoreScale(hn::Mul(d, FloatOfByte<2>(bytes)), s + 2, panel);
  StoreScale(hn::Mul(d, FloatOfByte<3>(bytes)), s + 3, panel);
}
HWY_INLINE void StoreFourLows(VF32 minus_dmin, VU32 bytes, size_t s, Panel& panel) {
  StoreLow(hn::Mul(minus_dmin, FloatOfByte<0>(bytes)), s, panel);
  StoreLow(hn::Mul(minus_dmin, FloatOfByte<1>(bytes)), s + 1, panel);
  StoreLow(hn::Mul(minus_dmin, FloatOfByte<2>(bytes)), s + 2, panel);
  StoreLow(hn::Mul(minus_dmin, FloatOfByte<3>(bytes)), s + 3, panel);
}

// The head of Q4_K and Q5_K: f16 d, f16 dmin, then 12 bytes with eight 6-bit scales and minima:
// bytes 0-3 hold scales 0-3, bytes 4-7 minima 0-3, the low nibbles of bytes 8-11 the low four bits
// of scales 4-7 and the high nibbles those of minima 4-7, whose upper two bits are the upper two of
// bytes 0-3 and 4-7.
HWY_INLINE void StoreHead(const Chunk& head, Panel& panel) {
  const VF32 d = FloatOfF16(LowHalf(head.v0));
  const VF32 minus_dmin = hn::Neg(FloatOfF16(HighHalf(head.v0)));
  StoreFourScales(d, hn::And(head.v1, Bytes(0x3F)), 0, panel);
  StoreFourLows(minus_dmin, hn::And(head.v2, Bytes(0x3F)), 0, panel);
  const VU32 scale_top = hn::And(hn::ShiftRight<2>(head.v1), Bytes(0x30));
  const VU32 low_top = hn::And(hn::ShiftRight<2>(head.v2), Bytes(0x30));
  StoreFourScales(d, hn::Or(LowNibbles(head.v3), scale_top), 4, panel);
  StoreFourLows(minus_dmin, hn::Or(HighNibbles(head.v3), low_top), 4, panel);
}

struct DecodeQ4_K {  // head; 4 runs of 32 bytes: sub-blocks 2j (low nibbles) and 2j + 1 (high)
  static constexpr DType kType = DType::kQ4_K;
  static constexpr Form kForm = {0, true, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    (void)block;  // a panel is one block
    StoreHead(LoadChunk(p, stride), panel);
    for (size_t half = 0; half < 8; ++half) {  // 16 bytes: half a run
      const Chunk c = LoadChunk(p + 16 + 16 * half, stride);
      const size_t sub = half / 2 * 2;
      StoreFour(LowNibbles(c), sub, half % 2 * 4, panel);
      StoreFour(HighNibbles(c), sub + 1, half % 2 * 4, panel);
    }
  }
};

// Bit `bit` of every byte, moved to bit 4.
HWY_INLINE VU32 FifthBit(VU32 v, int bit) {
  const VU32 one = hn::And(hn::ShiftRightSame(v, bit), Bytes(1));
  return hn::ShiftLeft<4>(one);
}

struct DecodeQ5_K {  // head; 32 bytes: bit s is the fifth bit in sub-block s; nibbles as in Q4_K
  static constexpr DType kType = DType::kQ5_K;
  static constexpr Form kForm = {0, true, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    (void)block;
    StoreHead(LoadChunk(p, stride), panel);
    DecodeHalf(p, stride, 0, panel);
    DecodeHalf(p, stride, 1, panel);
  }
  // Elements 16 * half to 16 * half + 15 of every sub-block.
  static HWY_INLINE void DecodeHalf(const uint8_t* p, size_t stride, size_t half, Panel& panel) {
    const Chunk high = LoadChunk(p + 16 + 16 * half, stride);
    for (size_t run = 0; run < 4; ++run) {
      const Chunk c = LoadChunk(p + 48 + 32 * run + 16 * half, stride);
      const int sub = static_cast<int>(2 * run);
      StoreFour(WithFifthBit(LowNibbles(c), high, sub), 2 * run, 4 * half, panel);
      StoreFour(WithFifthBit(HighNibbles(c), high, sub + 1), 2 * run + 1, 4 * half, panel);
    }
  }
  static HWY_INLINE Chunk WithFifthBit(const Chunk& nibbles, const Chunk& high, int sub) {
    return {hn::Or(nibbles.v0, FifthBit(high.v0, sub)), hn::Or(nibbles.v1, FifthBit(high.v1, sub)),
            hn::Or(nibbles.v2, FifthBit(high.v2, sub)), hn::Or(nibbles.v3, FifthBit(high.v3, sub))};
  }
};

// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, f16 d. Each half of 128
// elements is four runs of 32: nibbles low and low, then high and high, of 64 bytes; bit pair
// `run` of 32 bytes.
struct DecodeQ6_K {
  static constexpr DType kType = DType::kQ6_K;
  static constexpr Form kForm = {32, false, true, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    (void)block;
    StoreScales(p, stride, panel);
    for (size_t part = 0; part < 4; ++part) {  // half of 128 elements, half of its runs
      const size_t half = part / 2, side = part % 2;
      const Chunk top = LoadChunk(p + 128 + 32 * half + 16 * side, stride);
      const Chunk a = LoadChunk(p + 64 * half + 16 * side, stride);
      const Chunk b = LoadChunk(p + 64 * half + 32 + 16 * side, stride);
      StoreFour(WithTop(LowNibbles(a), top, 0), 4 * half, 4 * side, panel);
      StoreFour(WithTop(LowNibbles(b), top, 2), 4 * half + 1, 4 * side, panel);
      StoreFour(WithTop(HighNibbles(a), top, 4), 4 * half + 2, 4 * side, panel);
      StoreFour(WithTop(HighNibbles(b), top, 6), 4 * half + 3, 4 * side, panel);
    }
  }
  static HWY_INLINE Chunk WithTop(const Chunk& nibbles, const Chunk& top, int bit) {
    return {hn::Or(nibbles.v0, TopBits(top.v0, bit)), hn::Or(nibbles.v1, TopBits(top.v1, bit)),
            hn::Or(nibbles.v2, TopBits(top.v2, bit)), hn::Or(nibbles.v3, TopBits(top.v3, bit))};
  }
  static HWY_INLINE VU32 TopBits(VU32 v, int bit) {
    return hn::ShiftLeft<4>(hn::And(hn::ShiftRightSame(v, bit), Bytes(3)));
  }
  static HWY_INLINE void StoreScales(const uint8_t* p, size_t stride, Panel& panel) {
    // d is the last two of the block's 210 bytes; the chunk that ends there has it on top.
    const VF32 d = FloatOfF16(HighHalf(LoadChunk(p + 194, stride).v3));
    const Chunk scales = LoadChunk(p + 192, stride);
    StoreFourSigned(d, scales.v0, 0, panel);
    StoreFourSigned(d, scales.v1, 4, panel);
    StoreFourSigned(d, scales.v2, 8, panel);
    StoreFourSigned(d, scales.v3, 12, panel);
  }
  static HWY_INLINE void StoreFourSigned(VF32 d, VU32 bytes, size_t s, Panel& panel) {
    StoreScale(hn::Mul(d, FloatOfSignedByte<0>(bytes)), s, panel);
    StoreScale(hn::Mul(d, FloatOfSignedByte<1>(bytes)), s + 1, panel);
    StoreScale(hn::Mul(d, FloatOfSignedByte<2>(bytes)), s + 2, panel);
    StoreScale(hn::Mul(d, FloatOfSignedByte<3>(bytes)), s + 3, panel);
  }
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_PANEL_K_INL_H_
