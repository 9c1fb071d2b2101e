#pragma once

#include <cstdint>

namespace tinyai {

// The most that a reader accepts of anything a model file counts. A file that asks for more is
// damaged or hostile; each constant is tested at its value and one above.
inline constexpr uint64_t kMaxGgufKeys = 100'000;
inline constexpr uint64_t kMaxTensors = 1'000'000;
inline constexpr uint64_t kMaxGgufKeyBytes = 65'535;
inline constexpr uint64_t kMaxTensorNameBytes = 1'024;
inline constexpr uint64_t kMaxGgufStringBytes = uint64_t{64} << 20;
inline constexpr uint64_t kMaxGgufArrayItems = 16'777'216;
inline constexpr uint64_t kMaxGgufAlignment = uint64_t{64} << 10;
inline constexpr uint32_t kMaxTensorDims = 4;
// All metadata values together: several times the largest vocabulary known, far below what would
// hurt a machine that runs models.
inline constexpr uint64_t kMaxMetadataBytes = uint64_t{512} << 20;
// Each part of a split model stays open while it runs; 1,024 descriptors are the usual limit.
inline constexpr uint64_t kMaxSplitParts = 512;

// Of a .tmai file's directory.
inline constexpr uint64_t kMaxLayers = 4'096;
inline constexpr uint64_t kMaxGraphValues = 1'000'000;  // and ops
inline constexpr uint64_t kMaxOperands = 65'536;
inline constexpr uint64_t kMaxValueDims = 8;
inline constexpr uint64_t kMaxAttributes = 64;
inline constexpr uint64_t kMaxAttributeItems = 4'096;

}  // namespace tinyai
