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

// The head of Q4_K and Q5_K: f16 d, f16 dmin, then 12 bytes with eight 6-bit scales and minima:
// bytes 0-3 hold scales 0-3, bytes 4-7 minima 0-3, the low nibbles of bytes 8-11 the low four bits
// of scales 4-7 and the high nibbles those of minima 4-7, whose upper two bits are the upper two of
// bytes 0-3 and 4-7.
struct HeadK {
  VF32 d, minus_dmin;
  VU32 scales[2], minima[2];  // four bytes a lane

  HWY_INLINE explicit HeadK(const Chunk& head)
      : d(FloatOfF16(LowHalf(head.v0))), minus_dmin(hn::Neg(FloatOfF16(HighHalf(head.v0)))) {
    const VU32 scale_top = hn::And(hn::ShiftRight<2>(head.v1), Bytes(0x30));
    const VU32 minimum_top = hn::And(hn::ShiftRight<2>(head.v2), Bytes(0x30));
    scales[0] = hn::And(head.v1, Bytes(0x3F));
    scales[1] = hn::Or(LowNibbles(head.v3), scale_top);
    minima[0] = hn::And(head.v2, Bytes(0x3F));
    minima[1] = hn::Or(HighNibbles(head.v3), minimum_top);
  }
  template <int sub>
  HWY_INLINE VF32 Scale() const {
    return hn::Mul(d, FloatOfByte<sub % 4>(scales[sub / 4]));
  }
  template <int sub>
  HWY_INLINE VF32 Low() const {
    return hn::Mul(minus_dmin, FloatOfByte<sub % 4>(minima[sub / 4]));
  }
};

struct DecodeQ4_K {  // head; 4 runs of 32 bytes: sub-blocks 2j (low nibbles) and 2j + 1 (high)
  static constexpr DType kType = DType::kQ4_K;
  static constexpr Form kForm = {0, true, false, false};

  template <class Sink>
  static HWY_INLINE void Run(const uint8_t* p, size_t stride, size_t blocks, Sink& sink) {
    (void)blocks;  // always 8: one block of 256
    const HeadK head(LoadChunk(p, stride));
    DecodeRun<0>(p, stride, head, sink);
    DecodeRun<1>(p, stride, head, sink);
    DecodeRun<2>(p, stride, head, sink);
    DecodeRun<3>(p, stride, head, sink);
  }
  template <int run, class Sink>
  static HWY_INLINE void DecodeRun(const uint8_t* p, size_t stride, const HeadK& head, Sink& sink) {
    constexpr int kSub = 2 * run;
    const Chunk first = LoadChunk(p + 16 + 32 * run, stride);
    const Chunk second = LoadChunk(p + 32 + 32 * run, stride);
    sink.BlockWithLow(kSub, LowNibbles(first), LowNibbles(second), head.Scale<kSub>(),
                      head.Low<kSub>());
    sink.BlockWithLow(kSub + 1, HighNibbles(first), HighNibbles(second), head.Scale<kSub + 1>(),
                      head.Low<kSub + 1>());
  }
};

// Nibbles with bit `bit` of every byte of `high` as bit 4.
template <int bit>
HWY_INLINE VU32 FifthBit(VU32 v) {
  return hn::ShiftLeft<4>(hn::And(hn::ShiftRight<bit>(v), Bytes(1)));
}
template <int bit>
HWY_INLINE Chunk WithFifthBit(const Chunk& nibbles, const Chunk& high) {
  return {hn::Or(nibbles.v0, FifthBit<bit>(high.v0)), hn::Or(nibbles.v1, FifthBit<bit>(high.v1)),
          hn::Or(nibbles.v2, FifthBit<bit>(high.v2)), hn::Or(nibbles.v3, FifthBit<bit>(high.v3))};
}

struct DecodeQ5_K {  // head; 32 bytes: bit s is the fifth bit in sub-block s; nibbles as in Q4_K
  static constexpr DType kType = DType::kQ5_K;
  static constexpr Form kForm = {0, true, false, false};

  template <class Sink>
  static HWY_INLINE void Run(const uint8_t* p, size_t stride, size_t blocks, Sink& sink) {
    (void)blocks;
    const HeadK head(LoadChunk(p, stride));
    const Chunk high[2] = {LoadChunk(p + 16, stride), LoadChunk(p + 32, stride)};
    DecodeRun<0>(p, stride, head, high, sink);
    DecodeRun<1>(p, stride, head, high, sink);
    DecodeRun<2>(p, stride, head, high, sink);
    DecodeRun<3>(p, stride, head, high, sink);
  }
  template <int run, class Sink>
  static HWY_INLINE void DecodeRun(const uint8_t* p, size_t stride, const HeadK& head,
                                   const Chunk (&high)[2], Sink& sink) {
    constexpr int kSub = 2 * run;
    const Chunk first = LoadChunk(p + 48 + 32 * run, stride);
    const Chunk second = LoadChunk(p + 64 + 32 * run, stride);
    sink.BlockWithLow(kSub, WithFifthBit<kSub>(LowNibbles(first), high[0]),
                      WithFifthBit<kSub>(LowNibbles(second), high[1]), head.Scale<kSub>(),
                      head.Low<kSub>());
    sink.BlockWithLow(kSub + 1, WithFifthBit<kSub + 1>(HighNibbles(first), high[0]),
                      WithFifthBit<kSub + 1>(HighNibbles(second), high[1]), head.Scale<kSub + 1>(),
                      head.Low<kSub + 1>());
  }
};

// Nibbles with bits `bit` and `bit` + 1 of every byte of `top` as bits 4 and 5.
template <int bit>
HWY_INLINE VU32 TopBits(VU32 v) {
  return hn::ShiftLeft<4>(hn::And(hn::ShiftRight<bit>(v), Bytes(3)));
}
template <int bit>
HWY_INLINE Chunk WithTop(const Chunk& nibbles, const Chunk& top) {
  return {hn::Or(nibbles.v0, TopBits<bit>(top.v0)), hn::Or(nibbles.v1, TopBits<bit>(top.v1)),
          hn::Or(nibbles.v2, TopBits<bit>(top.v2)), hn::Or(nibbles.v3, TopBits<bit>(top.v3))};
}

// 128 bytes of low nibbles, 64 of upper bit pairs, 16 signed scales, f16 d. Each half of 128
// elements is four runs of 32: nibbles low and low, then high and high, of 64 bytes; bit pair
// `run` of 32 bytes.
struct DecodeQ6_K {
  static constexpr DType kType = DType::kQ6_K;
  static constexpr Form kForm = {32, false, true, false};

  template <class Sink>
  static HWY_INLINE void Run(const uint8_t* p, size_t stride, size_t blocks, Sink& sink) {
    (void)blocks;
    // d is the last two of the block's 210 bytes; the chunk that ends there has it on top.
    const VF32 d = FloatOfF16(HighHalf(LoadChunk(p + 194, stride).v3));
    const Chunk scales = LoadChunk(p + 192, stride);
    DecodeHalf(p, p + 128, stride, 0, d, scales.v0, scales.v1, sink);
    DecodeHalf(p + 64, p + 160, stride, 4, d, scales.v2, scales.v3, sink);
  }
  // Blocks b to b + 3, with the scales of the first two in `early`, of the others in `late`.
  template <class Sink>
  static HWY_INLINE void DecodeHalf(const uint8_t* nibbles, const uint8_t* pairs, size_t stride,
                                    size_t b, VF32 d, VU32 early, VU32 late, Sink& sink) {
    const Chunk top[2] = {LoadChunk(pairs, stride), LoadChunk(pairs + 16, stride)};
    const Chunk a[2] = {LoadChunk(nibbles, stride), LoadChunk(nibbles + 16, stride)};
    sink.Halves(b, WithTop<0>(LowNibbles(a[0]), top[0]), WithTop<0>(LowNibbles(a[1]), top[1]),
                Scale<0>(d, early), Scale<1>(d, early));
    const Chunk c[2] = {LoadChunk(nibbles + 32, stride), LoadChunk(nibbles + 48, stride)};
    sink.Halves(b + 1, WithTop<2>(LowNibbles(c[0]), top[0]), WithTop<2>(LowNibbles(c[1]), top[1]),
                Scale<2>(d, early), Scale<3>(d, early));
    sink.Halves(b + 2, WithTop<4>(HighNibbles(a[0]), top[0]), WithTop<4>(HighNibbles(a[1]), top[1]),
                Scale<0>(d, late), Scale<1>(d, late));
    sink.Halves(b + 3, WithTop<6>(HighNibbles(c[0]), top[0]), WithTop<6>(HighNibbles(c[1]), top[1]),
                Scale<2>(d, late), Scale<3>(d, late));
  }
  template <int k>
  static HWY_INLINE VF32 Scale(VF32 d, VU32 bytes) {
    return hn::Mul(d, FloatOfSignedByte<k>(bytes));
  }
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_PANEL_K_INL_H_
