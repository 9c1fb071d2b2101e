#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/dtype.h"
#include "base/result.h"
#include "onnx/constant.h"

namespace tinyai {

// Where the elements of a weight come from: a tensor of the ONNX file, whose layout may be another,
// or numbers made while the model was converted. Row r of the weight is `chunks` pieces of `length`
// elements each; in the file these lie `stride` pieces apart: piece i of row r of a group of
// `stride` rows is piece i * stride + r of the group. With one chunk, rows lie one after the other.
struct WeightRecipe {
  const OnnxTensor* tensor = nullptr;  // of the model, which outlives this; or
  std::shared_ptr<const std::vector<float>> made;
  DType type = DType::kF32;  // of the weight: F32, or that of the tensor
  uint64_t rows = 1, cols = 0;
  uint64_t first = 0;  // element of the tensor where the weight begins
  uint64_t chunks = 1, length = 0, stride = 1;
  // Blocks of rows in another order: block i of the weight is block order[i] of the tensor.
  std::vector<uint32_t> order = {};
  float scale = 1;  // only where the type is F32
};

// Puts pieces of weights together, from number `offset` of their bytes on. Holds at most 8 MiB, or
// a row where that is more.
class WeightMaker {
 public:
  WeightMaker(std::span<const WeightRecipe> recipes, OnnxParts parts)
      : recipes_(recipes), parts_(parts) {}
  Status Make(size_t index, uint64_t offset, std::span<std::byte> out);

 private:
  Status MakeRows(const WeightRecipe& recipe, uint64_t element, std::span<std::byte> out) const;
  Status FillPanel(size_t index, uint64_t row);
  Status Read(const WeightRecipe& recipe, uint64_t element, std::span<std::byte> out) const;

  std::span<const WeightRecipe> recipes_;
  OnnxParts parts_;
  // Some rows of a weight whose rows lie scattered, as the tensor has their elements.
  struct Panel {
    size_t index = SIZE_MAX;
    uint64_t begin = 0, end = 0;  // rows
    std::vector<std::byte> bytes;
  } panel_;
};

}  // namespace tinyai
