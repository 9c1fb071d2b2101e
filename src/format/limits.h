#pragma once

#include <cstdint>

namespace tinyai {

// The most that a reader accepts of anything a model file counts. A file that asks for more is
// damaged or hostile; each constant is tested at its value and one above.
inline constexpr uint64_t kMaxGgufKeys = 100'000;
inline constexpr uint64_t kMaxGgufTensors = 1'000'000;
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

}  // namespace tinyai
