#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/float16.h"
#include "gtest/gtest.h"
#include "kernel/isa.h"
#include "kernel/matmul.h"

// What the kernel tests share.
namespace tinyai {

// Runs `check` with every instruction set of this machine, then goes back to the one in use before.
template <class Function>
void ForEachInstructionSet(Function check) {
  const std::string before = ActiveIsa();
  for (const std::string& isa : SupportedIsas()) {
    ASSERT_TRUE(UseIsa(isa).has_value()) << isa;
    SCOPED_TRACE("instruction set " + isa);
    check();
  }
  ASSERT_TRUE(UseIsa(before).has_value());
}

// Floats in a vector of the instruction set in use, and how often it rounds a multiply-add.
struct VectorForm {
  size_t lanes, roundings;
};
inline VectorForm ActiveVectors() {
  const std::string isa = ActiveIsa();
  if (isa.starts_with("avx512")) return {16, 1};
  if (isa == "avx2") return {8, 1};
  if (isa == "neon") return {4, 1};
  return {isa == "scalar" ? size_t{1} : size_t{4}, 2};
}

inline const std::vector<DType>& QuantisedTypes() {
  static const std::vector<DType> types = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                                           DType::kQ5_1, DType::kQ8_0, DType::kQ4_K,
                                           DType::kQ5_K, DType::kQ6_K, DType::kInt2};
  return types;
}
inline const std::vector<DType>& FloatTypes() {
  static const std::vector<DType> types = {DType::kF32, DType::kF16, DType::kBF16};
  return types;
}
inline std::vector<DType> AllTypes() {
  std::vector<DType> all = FloatTypes();
  all.insert(all.end(), QuantisedTypes().begin(), QuantisedTypes().end());
  return all;
}

// Bytes of the block that hold its f16 scales; -1 where there is no second one.
struct ScalePlaces {
  int first, second;
};
inline ScalePlaces ScalesOf(DType type) {
  switch (type) {
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ6_K:
      return {208, -1};
    default:
      return {0, -1};
  }
}

// Ways through a product beside the usual one.
inline constexpr Tiling kTilings[] = {{.block = 1, .prefetch_bytes = 0},
                                      {.block = 5, .prefetch_bytes = 64},
                                      {.block = 33, .prefetch_bytes = 1 << 20, .line_bytes = 128}};

inline std::vector<float> RandomFloats(size_t size, uint32_t seed, float deviation = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> x(size);
  for (float& v : x) v = normal(random);
  return x;
}

// Rows of weights: any codes, scales of either sign in [0.5, 1) / 64.
inline std::vector<std::byte> RandomRows(DType type, size_t cols, size_t rows, uint32_t seed) {
  const DTypeInfo& info = Info(type);
  std::mt19937 random(seed);
  std::vector<std::byte> data(RowBytes(info, cols) * rows);
  for (std::byte& b : data) b = static_cast<std::byte>(random());
  const auto put_half = [&](size_t at) {
    const float value = (0.5f + static_cast<float>(random() % 1024) / 2048) / 64;
    const uint16_t half = FloatToF16(random() % 2 ? value : -value);
    std::memcpy(data.data() + at, &half, sizeof(half));
  };
  for (size_t at = 0; at < data.size(); at += info.block_bytes) {
    if (type == DType::kF32) {
      const float value = std::normal_distribution<float>()(random);
      std::memcpy(data.data() + at, &value, sizeof(value));
    } else if (type == DType::kBF16) {
      const auto bits = std::bit_cast<uint32_t>(std::normal_distribution<float>()(random));
      const auto high = static_cast<uint16_t>(bits >> 16);
      std::memcpy(data.data() + at, &high, sizeof(high));
    } else {
      const ScalePlaces places = ScalesOf(type);
      put_half(at + places.first);
      if (places.second >= 0) put_half(at + places.second);
    }
  }
  return data;
}

// Whether two floats have the same bits; NaNs of any kind are alike.
inline bool SameBits(float a, float b) {
  return (std::isnan(a) && std::isnan(b)) ||
         std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b);
}

}  // namespace tinyai
