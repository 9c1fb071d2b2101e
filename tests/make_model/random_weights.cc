#include "make_model/random_weights.h"

#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "base/float16.h"

namespace tinyai::testing_models {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
void Put(Bytes& out, T value) {
  const size_t size = out.size();
  out.resize(size + sizeof(value));
  std::memcpy(out.data() + size, &value, sizeof(value));
}

void PutHalf(Bytes& out, double value) { Put(out, FloatToF16(static_cast<float>(value))); }

uint16_t FloatToBf16(float value) {  // to nearest, ties to even; no NaN comes here
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void PutRandomBytes(Random& random, size_t count, Bytes& out) {
  for (size_t i = 0; i < count; i += 8) {
    const uint64_t word = random.Next();
    const size_t size = out.size();
    const size_t bytes = std::min<size_t>(8, count - i);
    out.resize(size + bytes);
    std::memcpy(out.data() + size, &word, bytes);
  }
}

// The root mean square of codes lo..hi drawn evenly, about `zero`.
double Rms(int lo, int hi, double zero) {
  double sum = 0;
  for (int q = lo; q <= hi; ++q) sum += (q - zero) * (q - zero);
  return std::sqrt(sum / (hi - lo + 1));
}

// 0.75 to 1.25 with a root mean square of 1.
double ScaleSize(Random& random) { return (random.Uniform() * 0.5 + 0.75) / 1.0104; }

// Codes such as 0..15 around 8 have the mean -1/2; a sign at random keeps that from adding up over
// the layers.
double SignedScale(Random& random) {
  const double size = ScaleSize(random);
  return (random.Next() & 1) != 0 ? -size : size;
}

// d, then codes: w = d (q - zero).
void PutSymmetric(Random& random, double std, double rms, size_t code_bytes, Bytes& out) {
  PutHalf(out, SignedScale(random) * std / rms);
  PutRandomBytes(random, code_bytes, out);
}

// d, m, then codes of 0..max: w = d q + m, with m in the middle.
void PutOffset(Random& random, double std, int max, size_t code_bytes, Bytes& out) {
  const double d = ScaleSize(random) * std / Rms(0, max, max / 2.0);
  PutHalf(out, d);
  PutHalf(out, -d * max / 2.0);
  PutRandomBytes(random, code_bytes, out);
}

// Q4_K and Q5_K: d, dmin, then 8 scales and 8 minimums of 6 bits in 12 bytes, then codes of 0..max:
// w = d scale q - dmin minimum. Equal scale and minimum with dmin = d max / 2 centre the codes.
void PutSuperBlock(Random& random, double std, int max, size_t code_bytes, Bytes& out) {
  const double d = ScaleSize(random) * std / (Rms(0, max, max / 2.0) * Rms(32, 63, 0));
  PutHalf(out, d);
  PutHalf(out, d * max / 2.0);
  std::array<uint8_t, 8> scales;
  for (uint8_t& scale : scales) scale = static_cast<uint8_t>(32 + random.Below(32));
  for (size_t part = 0; part < 2; ++part) {  // scales, then the equal minimums
    for (size_t i = 0; i < 4; ++i) {
      Put(out, static_cast<uint8_t>(scales[i] | (scales[i + 4] >> 4) << 6));
    }
  }
  for (size_t i = 4; i < 8; ++i) {
    const int low = scales[i] & 15;
    Put(out, static_cast<uint8_t>(low | low << 4));
  }
  PutRandomBytes(random, code_bytes, out);
}

// Q6_K: 192 bytes of codes, 16 scales of 8 bits, d: w = d scale (q - 32).
void PutQ6K(Random& random, double std, Bytes& out) {
  PutRandomBytes(random, 192, out);
  for (size_t i = 0; i < 16; ++i) Put(out, static_cast<int8_t>(64 + random.Below(64)));
  PutHalf(out, SignedScale(random) * std / (Rms(0, 63, 32) * Rms(64, 127, 0)));
}

void PutBlock(Random& random, DType type, double std, Bytes& out) {
  switch (type) {
    case DType::kF32:
      return Put(out, static_cast<float>(random.Normal() * std));
    case DType::kF16:
      return PutHalf(out, random.Normal() * std);
    case DType::kBF16:
      return Put(out, FloatToBf16(static_cast<float>(random.Normal() * std)));
    case DType::kQ8_0:
      return PutSymmetric(random, std, Rms(-128, 127, 0), 32, out);
    case DType::kQ4_0:
      return PutSymmetric(random, std, Rms(0, 15, 8), 16, out);
    case DType::kQ5_0:
      return PutSymmetric(random, std, Rms(0, 31, 16), 4 + 16, out);
    case DType::kQ4_1:
      return PutOffset(random, std, 15, 16, out);
    case DType::kQ5_1:
      return PutOffset(random, std, 31, 4 + 16, out);
    case DType::kQ4_K:
      return PutSuperBlock(random, std, 15, 128, out);
    case DType::kQ5_K:
      return PutSuperBlock(random, std, 31, 32 + 128, out);
    case DType::kQ6_K:
      return PutQ6K(random, std, out);
    case DType::kInt2:
      return PutSymmetric(random, std, Rms(0, 3, 2), 8, out);
  }
}

}  // namespace

void AppendWeights(Random& random, DType type, uint64_t elements, double std,
                   std::vector<std::byte>& out) {
  const uint64_t block = Info(type).block_elements;
  for (uint64_t i = 0; i < elements; i += block) PutBlock(random, type, std, out);
}

void AppendUniform(Random& random, uint64_t elements, double low, double high,
                   std::vector<std::byte>& out) {
  for (uint64_t i = 0; i < elements; ++i) {
    Put(out, static_cast<float>(low + (high - low) * random.Uniform()));
  }
}

}  // namespace tinyai::testing_models
