#include "kernel/testing.h"

namespace tinyai {
namespace {

// Bit-by-bit description of each type in double, one element at a time.
class Reference {
 public:
  Reference(DType type, const std::byte* block)
      : type_(type), p_(reinterpret_cast<const uint8_t*>(block)) {}

  double Element(int i) const {
    switch (type_) {
      case DType::kQ4_0:
        return Half(0) * (Nibble(2, i) - 8);
      case DType::kQ4_1:
        return Half(0) * Nibble(4, i) + Half(2);
      case DType::kQ5_0:
        return Half(0) * (Nibble(6, i) + 16 * Bit(2, i) - 16);
      case DType::kQ5_1:
        return Half(0) * (Nibble(8, i) + 16 * Bit(4, i)) + Half(2);
      case DType::kQ8_0:
        return Half(0) * static_cast<int8_t>(p_[2 + i]);
      case DType::kQ4_K:
        return Half(0) * SixBits(i / 32, 0) * NibbleK(16, i) - Half(2) * SixBits(i / 32, 4);
      case DType::kQ5_K: {
        const int fifth = p_[16 + i % 32] >> (i / 32) & 1;
        return Half(0) * SixBits(i / 32, 0) * (NibbleK(48, i) + 16 * fifth) -
               Half(2) * SixBits(i / 32, 4);
      }
      case DType::kQ6_K: {
        const int half = i / 128, run = i % 128 / 32, e = i % 32;
        const int byte = p_[64 * half + (run % 2) * 32 + e];
        const int low = run < 2 ? byte & 15 : byte >> 4;
        const int high = p_[128 + 32 * half + e] >> (2 * run) & 3;
        return Half(208) * static_cast<int8_t>(p_[192 + i / 16]) * (low + 16 * high - 32);
      }
      case DType::kInt2:
        return Half(0) * ((p_[2 + i / 16 * 4 + i % 4] >> (i % 16 / 4 * 2) & 3) - 2);
      default:
        return 0;
    }
  }

 private:
  double Half(int at) const {
    const int bits = p_[at] | p_[at + 1] << 8;
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const double size =
        exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -size : size;
  }
  int Nibble(int at, int i) const { return i < 16 ? p_[at + i] & 15 : p_[at + i - 16] >> 4; }
  int NibbleK(int at, int i) const {
    const int byte = p_[at + i / 64 * 32 + i % 32];
    return i % 64 < 32 ? byte & 15 : byte >> 4;
  }
  int Bit(int at, int i) const { return p_[at + i / 8] >> (i % 8) & 1; }
  // Of the 12 packed bytes: scale s (first = 0) or minimum s (first = 4).
  int SixBits(int s, int first) const {
    const uint8_t* packed = p_ + 4;
    if (s < 4) return packed[first + s] & 63;
    const int low = first == 0 ? packed[8 + s - 4] & 15 : packed[8 + s - 4] >> 4;
    return low + 16 * (packed[first + s - 4] >> 6);
  }

  DType type_;
  const uint8_t* p_;
};

TEST(DecodeRow, FollowsTheDescriptionOfEveryQuantisedType) {
  for (const DType type : QuantisedTypes()) {
    const DTypeInfo& info = Info(type);
    const size_t cols = 20 * info.block_elements;
    const std::vector<std::byte> data = RandomRows(type, cols, 1, 1);
    std::vector<float> out(cols);
    DecodeRow(type, data.data(), out);
    for (size_t i = 0; i < cols; ++i) {
      const Reference block(type, data.data() + i / info.block_elements * info.block_bytes);
      const double expected = block.Element(static_cast<int>(i % info.block_elements));
      // Scales below 1/64 x 63, codes and minima up to 63: parts below 64, two roundings.
      ASSERT_NEAR(out[i], expected, 2 * 64 * 0x1p-24) << Name(type) << " element " << i;
    }
  }
}

TEST(DecodeRow, FloatTypesKeepTheirValue) {
  const std::vector<float> x = {0.0f, 1.0f, -2.5f, 65504.0f, 0x1p-24f, -0x1p-14f};
  std::vector<float> out(x.size());
  DecodeRow(DType::kF32, reinterpret_cast<const std::byte*>(x.data()), out);
  EXPECT_EQ(out, x);
  const std::vector<uint16_t> halves = {0, 0x3C00, 0xC100, 0x7BFF, 1, 0x8400};
  DecodeRow(DType::kF16, reinterpret_cast<const std::byte*>(halves.data()), out);
  EXPECT_EQ(out, x);
  const std::vector<uint16_t> brain = {0, 0x3F80, 0xC020};
  out.resize(3);
  DecodeRow(DType::kBF16, reinterpret_cast<const std::byte*>(brain.data()), out);
  EXPECT_EQ(out, std::vector<float>({0.0f, 1.0f, -2.5f}));
}

}  // namespace
}  // namespace tinyai
