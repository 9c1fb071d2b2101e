// A panel: kRows rows of a quantised matrix side by side, up to 256 columns of them, decoded from
// the file's blocks into 8-bit codes and float scales that all types share. Element e of a block of
// 32 is scale * (code - offset) + low.

#if defined(TINYAI_KERNEL_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TINYAI_KERNEL_PANEL_INL_H_
#undef TINYAI_KERNEL_PANEL_INL_H_
#else
#define TINYAI_KERNEL_PANEL_INL_H_
#endif

#include "base/dtype.h"
#include "kernel/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tinyai::HWY_NAMESPACE {

constexpr size_t kPanelBlocks = 8;  // one block of the K types; 4 KiB of codes with 16 rows

struct Panel {
  // Codes of elements 4k to 4k + 3 of block b, row r, at [(8b + k) * kRows + r].
  alignas(64) uint32_t codes[kPanelBlocks * 8 * kRows];
  // Scale of block b, row r, at [b * kRows + r]; with kHalfScales those of the 16-element halves
  // of block b at [2b * kRows + r] and [(2b + 1) * kRows + r].
  alignas(64) float scale[kPanelBlocks * 2 * kRows];
  alignas(64) float low[kPanelBlocks * kRows];
};

// What the products need to know of a type.
struct Form {
  int offset;        // a multiple of 8
  bool low;          // whether there is an addend per block
  bool half_scales;  // a scale per 16 elements instead of 32
  bool signed_codes;
};

HWY_INLINE void StoreCodes(VU32 v, size_t block, size_t k, Panel& panel) {
  hn::Store(v, U32Tag(), panel.codes + (8 * block + k) * kRows);
}
HWY_INLINE void StoreScale(VF32 v, size_t index, Panel& panel) {
  hn::Store(v, F32Tag(), panel.scale + index * kRows);
}
HWY_INLINE void StoreLow(VF32 v, size_t block, Panel& panel) {
  hn::Store(v, F32Tag(), panel.low + block * kRows);
}

// Codes k to k + 3 of a block from the bytes of one chunk.
HWY_INLINE void StoreFour(const Chunk& c, size_t block, size_t k, Panel& panel) {
  StoreCodes(c.v0, block, k, panel);
  StoreCodes(c.v1, block, k + 1, panel);
  StoreCodes(c.v2, block, k + 2, panel);
  StoreCodes(c.v3, block, k + 3, panel);
}
HWY_INLINE VU32 LowNibbles(VU32 v) { return hn::And(v, Bytes(15)); }
HWY_INLINE VU32 HighNibbles(VU32 v) { return hn::And(hn::ShiftRight<4>(v), Bytes(15)); }
HWY_INLINE Chunk LowNibbles(const Chunk& c) {
  return {LowNibbles(c.v0), LowNibbles(c.v1), LowNibbles(c.v2), LowNibbles(c.v3)};
}
HWY_INLINE Chunk HighNibbles(const Chunk& c) {
  return {HighNibbles(c.v0), HighNibbles(c.v1), HighNibbles(c.v2), HighNibbles(c.v3)};
}

// One decoder per type: Decode reads the type's block at `p` of each row (the next row `stride`
// bytes on) into blocks `block`, ... of the panel. No byte outside the block is read.

struct DecodeQ4_0 {  // f16 scale; 16 bytes: elements e (low nibble) and e + 16 (high)
  static constexpr DType kType = DType::kQ4_0;
  static constexpr Form kForm = {8, false, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    const Chunk nibbles = LoadChunk(p + 2, stride);
    StoreScale(FloatOfF16(LowHalf(LoadChunk(p, stride).v0)), block, panel);
    StoreFour(LowNibbles(nibbles), block, 0, panel);
    StoreFour(HighNibbles(nibbles), block, 4, panel);
  }
};

struct DecodeQ4_1 {  // f16 scale, f16 low, nibbles as in Q4_0
  static constexpr DType kType = DType::kQ4_1;
  static constexpr Form kForm = {0, true, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    const Chunk nibbles = LoadChunk(p + 4, stride);
    const VU32 head = LoadChunk(p, stride).v0;
    StoreScale(FloatOfF16(LowHalf(head)), block, panel);
    StoreLow(FloatOfF16(HighHalf(head)), block, panel);
    StoreFour(LowNibbles(nibbles), block, 0, panel);
    StoreFour(HighNibbles(nibbles), block, 4, panel);
  }
};

// The bits k to k + 3 of every lane as bit 4 of its four bytes.
template <int k>
HWY_INLINE VU32 FifthBits(VU32 bits) {
  const U32Tag d;
  const VU32 four = hn::And(hn::ShiftRight<k>(bits), hn::Set(d, 15u));
  // Copies at bits 0, 7, 14 and 21 put bit i of the four at bit 8i.
  const VU32 spread =
      hn::BitCast(d, hn::Mul(hn::BitCast(I32Tag(), four), hn::Set(I32Tag(), 0x00204081)));
  return hn::ShiftLeft<4>(hn::And(spread, Bytes(1)));
}
HWY_INLINE void StoreFiveBits(const Chunk& nibbles, VU32 bits, size_t block, Panel& panel) {
  const Chunk low = LowNibbles(nibbles);
  const Chunk high = HighNibbles(nibbles);
  StoreFour({hn::Or(low.v0, FifthBits<0>(bits)), hn::Or(low.v1, FifthBits<4>(bits)),
             hn::Or(low.v2, FifthBits<8>(bits)), hn::Or(low.v3, FifthBits<12>(bits))},
            block, 0, panel);
  StoreFour({hn::Or(high.v0, FifthBits<16>(bits)), hn::Or(high.v1, FifthBits<20>(bits)),
             hn::Or(high.v2, FifthBits<24>(bits)), hn::Or(high.v3, FifthBits<28>(bits))},
            block, 4, panel);
}

struct DecodeQ5_0 {  // f16 scale; 32 bits: the fifth bit of each element; nibbles as in Q4_0
  static constexpr DType kType = DType::kQ5_0;
  static constexpr Form kForm = {16, false, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    const Chunk head = LoadChunk(p, stride);
    StoreScale(FloatOfF16(LowHalf(head.v0)), block, panel);
    const VU32 bits = hn::Or(hn::ShiftRight<16>(head.v0), hn::ShiftLeft<16>(head.v1));
    StoreFiveBits(LoadChunk(p + 6, stride), bits, block, panel);
  }
};

struct DecodeQ5_1 {  // f16 scale, f16 low, then as Q5_0
  static constexpr DType kType = DType::kQ5_1;
  static constexpr Form kForm = {0, true, false, false};

  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    const Chunk head = LoadChunk(p, stride);
    StoreScale(FloatOfF16(LowHalf(head.v0)), block, panel);
    StoreLow(FloatOfF16(HighHalf(head.v0)), block, panel);
    StoreFiveBits(LoadChunk(p + 8, stride), head.v1, block, panel);
  }
};

struct DecodeQ8_0 {  // f16 scale; 32 signed bytes
  static constexpr DType kType = DType::kQ8_0;
  static constexpr Form kForm = {kWideCodes ? 128 : 0, false, false, !kWideCodes};

  static HWY_INLINE VU32 Code(VU32 v) { return kWideCodes ? hn::Xor(v, Bytes(128)) : v; }
  static HWY_INLINE void StoreFourCodes(const Chunk& c, size_t block, size_t k, Panel& panel) {
    StoreFour({Code(c.v0), Code(c.v1), Code(c.v2), Code(c.v3)}, block, k, panel);
  }
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, size_t block, Panel& panel) {
    StoreScale(FloatOfF16(LowHalf(LoadChunk(p, stride).v0)), block, panel);
    StoreFourCodes(LoadChunk(p + 2, stride), block, 0, panel);
    StoreFourCodes(LoadChunk(p + 18, stride), block, 4, panel);
  }
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_PANEL_INL_H_
