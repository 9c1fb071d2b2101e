#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/byte_source.h"
#include "base/result.h"

namespace tinyai {

// An array of 32-bit floats as NumPy writes it (.npy), the last axis fastest.
struct NpyArray {
  std::vector<uint64_t> shape;  // none: a single number
  uint64_t elements = 1;
  uint64_t data_offset = 0;  // of the first element; the others follow without gaps to the end
};

// Reads the header, and checks that the file has just the elements that it tells of. Errors, each
// with what would do: NPY_HEADER, NPY_TYPE and NPY_ORDER (exit 6), NPY_SIZE; those of reading.
Result<NpyArray> ReadNpy(const ByteSource& file);

// What stands in front of the elements of such an array.
std::string NpyHeader(std::span<const uint64_t> shape);

}  // namespace tinyai
