// Feeds any bytes to the reader of .npy files; the header of what it accepts, written again, gives
// the same array.

#include <cstdlib>

#include "format/memory_source.h"
#include "format/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tinyai;
  const MemorySource file("a.npy", std::as_bytes(std::span(data, size)));
  const Result<NpyArray> array = ReadNpy(file);
  if (!array) {
    if (array.error().key.empty() || array.error().message.empty()) std::abort();
    return 0;
  }
  if (array->data_offset + array->elements * sizeof(float) != size) std::abort();
  std::string again = NpyHeader(array->shape);
  again.append(reinterpret_cast<const char*>(data) + array->data_offset, size - array->data_offset);
  const Result<NpyArray> same = ReadNpy(MemorySource("b.npy", std::as_bytes(std::span(again))));
  if (!same || same->shape != array->shape) std::abort();
  return 0;
}
