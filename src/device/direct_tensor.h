#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lang/program.h"

namespace tinyai {

// One element: `whole` for bool and whole numbers, `real` for floats of every size, which a double
// holds exactly.
struct DirectNumber {
  int64_t whole = 0;
  double real = 0;
};

struct DirectTensor {
  ProgramType type;
  std::vector<DirectNumber> elements;
};

// From and to the bytes that it has in memory. Not of quantised types.
DirectTensor DecodeTensor(const ProgramType& type, const std::byte* data);
std::vector<std::byte> EncodeTensor(const DirectTensor& tensor);

}  // namespace tinyai
