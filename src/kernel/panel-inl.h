// Decoding blocks of quantised weights, kRows rows side by side, into 8-bit codes and float scales
// that all types share: element e of a block of 32 is scale * (code - offset) + low. A decoder
// hands block after block to a sink, which multiplies it at once or keeps it in a panel for many
// tokens.

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

template <Form form>
HWY_INLINE VI32 Dot(VI32 sum, VI32 codes, VI32 x) {
  return form.signed_codes ? DotSigned(sum, codes, x) : DotUnsigned(sum, codes, x);
}

// The sink that fills a panel.
struct PanelSink {
  Panel& panel;

  // Block b: codes of elements 0 to 15 and 16 to 31, and the scale.
  HWY_INLINE void Block(size_t b, const Chunk& first, const Chunk& second, VF32 scale) {
    StoreCodes(b, first, second);
    hn::Store(scale, F32Tag(), panel.scale + b * kRows);
  }
  HWY_INLINE void BlockWithLow(size_t b, const Chunk& first, const Chunk& second, VF32 scale,
                               VF32 low) {
    Block(b, first, second, scale);
    hn::Store(low, F32Tag(), panel.low + b * kRows);
  }
  // With a scale for each half of the block.
  HWY_INLINE void Halves(size_t b, const Chunk& first, const Chunk& second, VF32 first_scale,
                         VF32 second_scale) {
    StoreCodes(b, first, second);
    hn::Store(first_scale, F32Tag(), panel.scale + 2 * b * kRows);
    hn::Store(second_scale, F32Tag(), panel.scale + (2 * b + 1) * kRows);
  }

 private:
  HWY_INLINE void StoreCodes(size_t b, const Chunk& first, const Chunk& second) {
    const U32Tag d;
    uint32_t* to = panel.codes + 8 * b * kRows;
    hn::Store(first.v0, d, to);
    hn::Store(first.v1, d, to + kRows);
    hn::Store(first.v2, d, to + 2 * kRows);
    hn::Store(first.v3, d, to + 3 * kRows);
    hn::Store(second.v0, d, to + 4 * kRows);
    hn::Store(second.v1, d, to + 5 * kRows);
    hn::Store(second.v2, d, to + 6 * kRows);
    hn::Store(second.v3, d, to + 7 * kRows);
  }
};

HWY_INLINE VU32 LowNibbles(VU32 v) { return hn::And(v, Bytes(15)); }
HWY_INLINE VU32 HighNibbles(VU32 v) { return hn::And(hn::ShiftRight<4>(v), Bytes(15)); }
HWY_INLINE Chunk LowNibbles(const Chunk& c) {
  return {LowNibbles(c.v0), LowNibbles(c.v1), LowNibbles(c.v2), LowNibbles(c.v3)};
}
HWY_INLINE Chunk HighNibbles(const Chunk& c) {
  return {HighNibbles(c.v0), HighNibbles(c.v1), HighNibbles(c.v2), HighNibbles(c.v3)};
}

// The first one or two dwords of consecutive blocks of each row, side by side. Collected apart from
// the rest, by scalar moves: they are few bytes, and vector loads are what products are short of.
struct Heads {
  alignas(64) uint32_t dword[kPanelBlocks * 2 * kRows];

  template <size_t kDwords>
  HWY_INLINE void Gather(const uint8_t* p, size_t stride, size_t block_bytes, size_t blocks) {
    for (size_t r = 0; r < kRows; ++r) {
      const uint8_t* block = p + r * stride;
      for (size_t i = 0; i < blocks; ++i) {
        for (size_t k = 0; k < kDwords; ++k) {
          std::memcpy(&dword[(i * kDwords + k) * kRows + r], block + 4 * k, 4);
        }
        block += block_bytes;
      }
    }
  }
  HWY_INLINE VU32 Get(size_t index) const { return hn::Load(U32Tag(), dword + index * kRows); }
};

// One decoder per type. Run hands `blocks` blocks of 32 (at most kPanelBlocks), which begin at `p`
// in the first row and `stride` bytes on in the next, to the sink. No byte outside them is read.

template <class Type>
struct SmallBlocks {  // of 32 elements
  template <class Sink>
  static HWY_INLINE void Run(const uint8_t* p, size_t stride, size_t blocks, Sink& sink) {
    Heads heads;
    heads.Gather<Type::kHeadDwords>(p, stride, Type::kBytes, blocks);
    for (size_t b = 0; b < blocks; ++b) {
      Type::Decode(p + b * Type::kBytes, stride, heads, b, sink);
    }
  }
};

struct DecodeQ4_0 : SmallBlocks<DecodeQ4_0> {
  // f16 scale; 16 bytes: elements e (low nibble) and e + 16 (high)
  static constexpr DType kType = DType::kQ4_0;
  static constexpr Form kForm = {8, false, false, false};
  static constexpr size_t kBytes = 18, kHeadDwords = 1;

  template <class Sink>
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, const Heads& heads, size_t b,
                                Sink& sink) {
    const Chunk nibbles = LoadChunk(p + 2, stride);
    sink.Block(b, LowNibbles(nibbles), HighNibbles(nibbles), FloatOfF16(LowHalf(heads.Get(b))));
  }
};

struct DecodeQ4_1 : SmallBlocks<DecodeQ4_1> {  // f16 scale, f16 low, nibbles as in Q4_0
  static constexpr DType kType = DType::kQ4_1;
  static constexpr Form kForm = {0, true, false, false};
  static constexpr size_t kBytes = 20, kHeadDwords = 1;

  template <class Sink>
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, const Heads& heads, size_t b,
                                Sink& sink) {
    const Chunk nibbles = LoadChunk(p + 4, stride);
    const VU32 head = heads.Get(b);
    sink.BlockWithLow(b, LowNibbles(nibbles), HighNibbles(nibbles), FloatOfF16(LowHalf(head)),
                      FloatOfF16(HighHalf(head)));
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
// Nibbles with bit k + i of `bits` as bit 4 of code i.
template <int k>
HWY_INLINE Chunk WithFifthBits(const Chunk& nibbles, VU32 bits) {
  return {hn::Or(nibbles.v0, FifthBits<k>(bits)), hn::Or(nibbles.v1, FifthBits<k + 4>(bits)),
          hn::Or(nibbles.v2, FifthBits<k + 8>(bits)), hn::Or(nibbles.v3, FifthBits<k + 12>(bits))};
}

struct DecodeQ5_0 : SmallBlocks<DecodeQ5_0> {
  // f16 scale; 32 bits: the fifth bit of each element; nibbles as in Q4_0
  static constexpr DType kType = DType::kQ5_0;
  static constexpr Form kForm = {16, false, false, false};
  static constexpr size_t kBytes = 22, kHeadDwords = 2;

  template <class Sink>
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, const Heads& heads, size_t b,
                                Sink& sink) {
    const Chunk nibbles = LoadChunk(p + 6, stride);
    const VU32 head = heads.Get(2 * b);
    const VU32 bits = hn::Or(HighHalf(head), hn::ShiftLeft<16>(heads.Get(2 * b + 1)));
    sink.Block(b, WithFifthBits<0>(LowNibbles(nibbles), bits),
               WithFifthBits<16>(HighNibbles(nibbles), bits), FloatOfF16(LowHalf(head)));
  }
};

struct DecodeQ5_1 : SmallBlocks<DecodeQ5_1> {  // f16 scale, f16 low, then as Q5_0
  static constexpr DType kType = DType::kQ5_1;
  static constexpr Form kForm = {0, true, false, false};
  static constexpr size_t kBytes = 24, kHeadDwords = 2;

  template <class Sink>
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, const Heads& heads, size_t b,
                                Sink& sink) {
    const Chunk nibbles = LoadChunk(p + 8, stride);
    const VU32 head = heads.Get(2 * b), bits = heads.Get(2 * b + 1);
    sink.BlockWithLow(b, WithFifthBits<0>(LowNibbles(nibbles), bits),
                      WithFifthBits<16>(HighNibbles(nibbles), bits), FloatOfF16(LowHalf(head)),
                      FloatOfF16(HighHalf(head)));
  }
};

struct DecodeQ8_0 : SmallBlocks<DecodeQ8_0> {  // f16 scale; 32 signed bytes
  static constexpr DType kType = DType::kQ8_0;
  static constexpr Form kForm = {kWideCodes ? 128 : 0, false, false, !kWideCodes};
  static constexpr size_t kBytes = 34, kHeadDwords = 1;

  static HWY_INLINE VU32 Code(VU32 v) { return kWideCodes ? hn::Xor(v, Bytes(128)) : v; }
  static HWY_INLINE Chunk Codes(const Chunk& c) {
    return {Code(c.v0), Code(c.v1), Code(c.v2), Code(c.v3)};
  }
  template <class Sink>
  static HWY_INLINE void Decode(const uint8_t* p, size_t stride, const Heads& heads, size_t b,
                                Sink& sink) {
    sink.Block(b, Codes(LoadChunk(p + 2, stride)), Codes(LoadChunk(p + 18, stride)),
               FloatOfF16(LowHalf(heads.Get(b))));
  }
};

// f16 scale; 4 bytes: elements e, e + 4, e + 8 and e + 12 from the lowest bits up; 4 bytes: the
// other half. Too little for loads of 16 bytes, so dwords are collected as Heads are.
struct DecodeInt2 {
  static constexpr DType kType = DType::kInt2;
  static constexpr Form kForm = {8, false, false, false};
  static constexpr size_t kBytes = 10;

  template <class Sink>
  static HWY_INLINE void Run(const uint8_t* p, size_t stride, size_t blocks, Sink& sink) {
    const U32Tag d;
    alignas(64) uint32_t scale[kRows], first[kRows], second[kRows];
    for (size_t b = 0; b < blocks; ++b, p += kBytes) {
      for (size_t r = 0; r < kRows; ++r) {
        const uint8_t* block = p + r * stride;
        uint16_t half;
        std::memcpy(&half, block, sizeof(half));
        scale[r] = half;
        std::memcpy(&first[r], block + 2, sizeof(first[r]));
        std::memcpy(&second[r], block + 6, sizeof(second[r]));
      }
      sink.Block(b, Codes(hn::Load(d, first)), Codes(hn::Load(d, second)),
                 FloatOfF16(hn::Load(d, scale)));
    }
  }

 private:
  // Codes from 0 to 3, of which 2 is zero, as codes of which 8 is zero.
  static HWY_INLINE VU32 Code(VU32 bits) { return hn::Add(hn::And(bits, Bytes(3)), Bytes(6)); }
  static HWY_INLINE Chunk Codes(VU32 v) {
    return {Code(v), Code(hn::ShiftRight<2>(v)), Code(hn::ShiftRight<4>(v)),
            Code(hn::ShiftRight<6>(v))};
  }
};

}  // namespace tinyai::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // TINYAI_KERNEL_PANEL_INL_H_
