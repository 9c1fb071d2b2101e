#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"
#include "format/model_file.h"

namespace tinyai {

// What the header of one GGUF file holds; see gguf_part.cc for the layout. Of a damaged file, what
// was read before the damage.
struct GgufPart {
  uint32_t version = 0;
  uint64_t alignment = 32;
  std::vector<std::vector<std::byte>> blocks;  // for Metadata
  std::vector<Metadata::Entry> entries;
  std::vector<TensorInfo> tensors;  // `part` is 0
  uint64_t data_offset = 0;         // where tensor data starts; 0 if the header is damaged
  std::vector<std::string> warnings;
};

// Reads the header of one file into `out`, which is empty. On error `out` keeps what came before,
// and the error has file and offset. Reads no tensor data. Memory: what `out` holds and a window.
Status ReadGgufPart(const ByteSource& source, GgufPart& out);

}  // namespace tinyai
