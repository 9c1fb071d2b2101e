#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_source.h"
#include "base/dtype.h"
#include "base/result.h"

namespace tinyai {

// A tensor of a safetensors file.
struct SafeTensor {
  std::string name;
  std::string_view type_name;       // "BF16", as the format calls it
  std::optional<DType> type;        // if it is one we compute with
  uint32_t n_dims = 0;              // 0: a single number
  std::array<uint64_t, 8> shape{};  // outermost first
  uint64_t offset = 0;              // in the file
  uint64_t bytes = 0;
};

struct SafetensorsHeader {
  std::deque<SafeTensor> tensors;  // in the order of the header
};

// Reads the header of a safetensors file; every tensor lies in the file, none overlaps, and no byte
// is left over. Errors ST_HEADER_LEN, ST_HEADER_JSON, ST_DUP_KEY, ST_METADATA, ST_DTYPE, ST_SHAPE,
// ST_OFFSETS, ST_NOT_CONTIGUOUS.
Result<SafetensorsHeader> ReadSafetensorsHeader(const ByteSource& source);

// Whether the first bytes of a file look like one.
bool LooksLikeSafetensors(const ByteSource& source);

// Which file of a model each tensor is in, by `model.safetensors.index.json`.
struct SafetensorsIndex {
  std::vector<std::string> shards;  // names of files beside the index, sorted
  std::vector<std::pair<std::string, uint32_t>> weight_map;  // sorted by the tensor's name
};

// Errors ST_HEADER_JSON, ST_DUP_KEY; ST_SHARD_PATH for a shard that is no plain name of a file.
Result<SafetensorsIndex> ReadSafetensorsIndex(const ByteSource& source);

}  // namespace tinyai
