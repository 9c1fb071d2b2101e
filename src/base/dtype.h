#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tinyai {

// How the numbers of a tensor are stored. The values are GGUF's type ids, from kFirstOwnType on
// ours. A quantised type stores blocks of `block_elements` consecutive elements of a row in
// `block_bytes` bytes.
enum class DType : uint8_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
  kInt2 = 128,  // groups of 32 with a scale, 2 bits each
};
inline constexpr DType kFirstOwnType = DType::kInt2;
constexpr bool IsGguf(DType type) { return type < kFirstOwnType; }

struct DTypeInfo {
  DType type;
  std::string_view name;
  uint32_t block_elements;
  uint32_t block_bytes;
};

const DTypeInfo& Info(DType type);
inline std::string_view Name(DType type) { return Info(type).name; }

// The type with GGUF's id `id`, if it is one we compute with.
std::optional<DType> DTypeFromGguf(uint32_t id);
// The type called `name` ("Q4_0", any case).
std::optional<DType> DTypeFromName(std::string_view name);

// Bytes of a row of `elements`, which is a multiple of the type's block_elements.
constexpr uint64_t RowBytes(const DTypeInfo& info, uint64_t elements) {
  return elements / info.block_elements * info.block_bytes;
}
inline uint64_t RowBytes(DType type, uint64_t elements) { return RowBytes(Info(type), elements); }

}  // namespace tinyai
