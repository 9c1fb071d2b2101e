#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "make_model/random.h"

namespace tinyai::testing_models {

// Appends `elements` weights of mean 0 and standard deviation `std` as they are stored in `type`.
// Floats are normally distributed; of quantised types the blocks themselves are drawn, random codes
// with scales that give the wanted deviation. `elements` is a multiple of the type's block.
void AppendWeights(Random& random, DType type, uint64_t elements, double std,
                   std::vector<std::byte>& out);

// Appends F32 values drawn evenly from [low, high).
void AppendUniform(Random& random, uint64_t elements, double low, double high,
                   std::vector<std::byte>& out);

}  // namespace tinyai::testing_models
