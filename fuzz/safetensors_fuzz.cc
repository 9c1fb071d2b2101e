// Feeds any bytes to the reader of safetensors headers and, since both are JSON, to that of
// indexes.

#include "format/safetensors.h"

#include <cstdio>
#include <cstdlib>

#include "format/memory_source.h"

namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  const MemorySource source("m.safetensors", std::as_bytes(std::span(data, size)));
  if (const Result<SafetensorsHeader> header = ReadSafetensorsHeader(source)) {
    uint64_t bytes = 0;
    for (const SafeTensor& tensor : header->tensors) {
      Require(tensor.offset <= size && tensor.bytes <= size - tensor.offset, "tensors lie inside");
      bytes += tensor.bytes;
    }
    Require(bytes <= size, "tensors do not overlap");
  } else {
    Require(!header.error().key.empty() && !header.error().file.empty(), "errors say where");
  }
  if (const Result<SafetensorsIndex> index = ReadSafetensorsIndex(source)) {
    for (const auto& [name, shard] : index->weight_map) {
      Require(shard < index->shards.size(), "every tensor has a file");
    }
    for (const std::string& shard : index->shards) {
      Require(shard.find('/') == std::string::npos, "files lie beside the index");
    }
  }
  return 0;
}
