#pragma once

#include <vector>

#include <tinyai/utils/tensor.h>
#include "engine/reuse_arena.h"

struct TinyAITensor {
  TinyAITensorDataType type = TINYAI_TENSOR_FLOAT32;
  std::vector<int> shape;
  size_t elements = 0;
  size_t size = 0;              // bytes
  tinyai::ReusableBlock block;  // unless the memory is the caller's
  std::byte* data = nullptr;
};
