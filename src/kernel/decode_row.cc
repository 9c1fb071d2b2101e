#include <cstring>

#include "base/float16.h"
#include "kernel/matmul.h"
#include "kernel/packed_codes.h"
#include "kernel/sparse_rows.h"

// One row to floats, block by block, in plain code: embedding rows and checks need it, products do
// not. Layouts are drawn in panel-inl.h and panel_k-inl.h.

namespace tinyai {
namespace {

float HalfAt(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return F16ToFloat(bits);
}

// Elements from 16 bytes of nibbles: e low, e + 16 high, each `scale * (code - offset) + low`.
// `fifth` has bit 4 of the 32 codes.
void DecodeNibbles(const uint8_t* nibbles, uint32_t fifth, float scale, int offset, float low,
                   float* out) {
  for (int e = 0; e < 16; ++e) {
    const int first = (nibbles[e] & 15) | static_cast<int>(fifth >> e & 1) << 4;
    const int second = nibbles[e] >> 4 | static_cast<int>(fifth >> (e + 16) & 1) << 4;
    out[e] = static_cast<float>(first - offset) * scale + low;
    out[e + 16] = static_cast<float>(second - offset) * scale + low;
  }
}

uint32_t BitsAt(const uint8_t* p) {
  uint32_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  return bits;
}

void DecodeQ4_0(const uint8_t* p, float* out) { DecodeNibbles(p + 2, 0, HalfAt(p), 8, 0.0f, out); }
void DecodeQ4_1(const uint8_t* p, float* out) {
  DecodeNibbles(p + 4, 0, HalfAt(p), 0, HalfAt(p + 2), out);
}
void DecodeQ5_0(const uint8_t* p, float* out) {
  DecodeNibbles(p + 6, BitsAt(p + 2), HalfAt(p), 16, 0.0f, out);
}
void DecodeQ5_1(const uint8_t* p, float* out) {
  DecodeNibbles(p + 8, BitsAt(p + 4), HalfAt(p), 0, HalfAt(p + 2), out);
}

void DecodeQ8_0(const uint8_t* p, float* out) {
  const float scale = HalfAt(p);
  for (int e = 0; e < 32; ++e) out[e] = static_cast<float>(static_cast<int8_t>(p[2 + e])) * scale;
}

// 6-bit scale and minimum of sub-block s from the 12 bytes of Q4_K and Q5_K.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum SubBlock(const uint8_t* packed, int s) {
  if (s < 4) return {packed[s] & 63, packed[s + 4] & 63};
  return {(packed[s + 4] & 15) | packed[s - 4] >> 6 << 4, packed[s + 4] >> 4 | packed[s] >> 6 << 4};
}

// `high` has, in bit s of byte e, bit 4 of element e of sub-block s; null if codes have 4 bits.
void DecodeFourOrFiveBits(const uint8_t* p, const uint8_t* high, const uint8_t* nibbles,
                          float* out) {
  const float d = HalfAt(p);
  const float dmin = HalfAt(p + 2);
  for (int s = 0; s < 8; ++s) {
    const ScaleAndMinimum sub = SubBlock(p + 4, s);
    const float scale = d * static_cast<float>(sub.scale);
    const float minimum = dmin * static_cast<float>(sub.minimum);
    for (int e = 0; e < 32; ++e) {
      int code = nibbles[s / 2 * 32 + e] >> (s % 2 * 4) & 15;
      if (high != nullptr) code |= (high[e] >> s & 1) << 4;
      out[s * 32 + e] = static_cast<float>(code) * scale - minimum;
    }
  }
}
void DecodeQ4_K(const uint8_t* p, float* out) { DecodeFourOrFiveBits(p, nullptr, p + 16, out); }
void DecodeQ5_K(const uint8_t* p, float* out) { DecodeFourOrFiveBits(p, p + 16, p + 48, out); }

void DecodeQ6_K(const uint8_t* p, float* out) {
  const float d = HalfAt(p + 208);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, run = i / 32 % 4, e = i % 32;
    const int nibble = p[half * 64 + run % 2 * 32 + e] >> (run / 2 * 4) & 15;
    const int top = p[128 + half * 32 + e] >> (run * 2) & 3;
    const float scale = d * static_cast<float>(static_cast<int8_t>(p[192 + i / 16]));
    out[i] = static_cast<float>((nibble | top << 4) - 32) * scale;
  }
}

void DecodeInt2(const uint8_t* p, float* out) {
  const float scale = HalfAt(p);
  const auto* codes = reinterpret_cast<const std::byte*>(p + 2);
  for (size_t e = 0; e < 32; ++e) {
    out[e] = static_cast<float>(GetCode<2>(codes, e) - kZeroCode<2>) * scale;
  }
}

void DecodeF32(const uint8_t* p, float* out) { std::memcpy(out, p, sizeof(float)); }
void DecodeF16(const uint8_t* p, float* out) { *out = HalfAt(p); }
void DecodeBF16(const uint8_t* p, float* out) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof(bits));
  *out = Bf16ToFloat(bits);
}

template <class Function>
void DecodeBlocks(DType type, const uint8_t* data, std::span<float> out, Function decode) {
  const DTypeInfo& info = Info(type);
  for (size_t i = 0; i + info.block_elements <= out.size(); i += info.block_elements) {
    decode(data, out.data() + i);
    data += info.block_bytes;
  }
}

}  // namespace

void DecodeRow(DType type, const std::byte* data, std::span<float> out) {
  const auto* p = reinterpret_cast<const uint8_t*>(data);
  switch (type) {
    case DType::kF32:
      return DecodeBlocks(type, p, out, DecodeF32);
    case DType::kF16:
      return DecodeBlocks(type, p, out, DecodeF16);
    case DType::kBF16:
      return DecodeBlocks(type, p, out, DecodeBF16);
    case DType::kQ4_0:
      return DecodeBlocks(type, p, out, DecodeQ4_0);
    case DType::kQ4_1:
      return DecodeBlocks(type, p, out, DecodeQ4_1);
    case DType::kQ5_0:
      return DecodeBlocks(type, p, out, DecodeQ5_0);
    case DType::kQ5_1:
      return DecodeBlocks(type, p, out, DecodeQ5_1);
    case DType::kQ8_0:
      return DecodeBlocks(type, p, out, DecodeQ8_0);
    case DType::kQ4_K:
      return DecodeBlocks(type, p, out, DecodeQ4_K);
    case DType::kQ5_K:
      return DecodeBlocks(type, p, out, DecodeQ5_K);
    case DType::kQ6_K:
      return DecodeBlocks(type, p, out, DecodeQ6_K);
    case DType::kInt2:
      return DecodeBlocks(type, p, out, DecodeInt2);
  }
}

void DecodeColumns(const WeightRows& weights, uint64_t row, uint64_t begin, std::span<float> out) {
  const std::byte* data = weights.data + row * weights.row_bytes();
  if (weights.sparse_row_bytes == 0) {
    return DecodeRow(weights.type, data + RowBytes(weights.type, begin), out);
  }
  std::byte run[kSparseRun * sizeof(float)];
  UnpackSparseRun(weights.type, weights.cols, {data, weights.row_bytes()}, begin, run);
  DecodeRow(weights.type, run, out);
}

}  // namespace tinyai
