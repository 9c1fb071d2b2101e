#include "onnx/weight_recipe.h"

#include <algorithm>
#include <cstring>

namespace tinyai {
namespace {

constexpr uint64_t kPanelBytes = uint64_t{6} << 20;

bool IsSame(OnnxType type, DType as) {
  return (type == OnnxType::kFloat && as == DType::kF32) ||
         (type == OnnxType::kF16 && as == DType::kF16) ||
         (type == OnnxType::kBF16 && as == DType::kBF16);
}

uint64_t BytesOf(DType type) { return Info(type).block_bytes; }

// Elements from `from` on, as the tensor has them, to those of the weight: of the same type, or
// F32.
void Decode(const WeightRecipe& recipe, std::span<const std::byte> from, std::span<std::byte> out) {
  const OnnxType type = recipe.tensor == nullptr ? OnnxType::kFloat : recipe.tensor->type;
  if (IsSame(type, recipe.type)) {
    std::memcpy(out.data(), from.data(), out.size());
  } else {
    std::vector<float> floats(out.size() / sizeof(float));
    DecodeFloats(type, from, floats);
    std::memcpy(out.data(), floats.data(), out.size());
  }
  if (recipe.scale == 1) return;
  for (size_t i = 0; i < out.size(); i += sizeof(float)) {
    float value;
    std::memcpy(&value, out.data() + i, sizeof(value));
    value *= recipe.scale;
    std::memcpy(out.data() + i, &value, sizeof(value));
  }
}

}  // namespace

Status WeightMaker::Make(size_t index, uint64_t offset, std::span<std::byte> out) {
  const WeightRecipe& recipe = recipes_[index];
  const uint64_t size = BytesOf(recipe.type);
  uint64_t element = offset / size;
  if (recipe.made != nullptr) {
    Decode(recipe, std::as_bytes(std::span(*recipe.made)).subspan(offset), out);
    return {};
  }
  if (recipe.chunks == 1) return MakeRows(recipe, element, out);
  const uint64_t from_size = ElementBytes(recipe.tensor->type);
  while (!out.empty()) {
    const uint64_t row = element / recipe.cols;
    if (panel_.index != index || row < panel_.begin || row >= panel_.end) {
      TRY(FillPanel(index, row));
    }
    const uint64_t count =
        std::min<uint64_t>(out.size() / size, panel_.end * recipe.cols - element);
    const uint64_t at = (element - panel_.begin * recipe.cols) * from_size;
    Decode(recipe, std::span(panel_.bytes).subspan(at), out.first(count * size));
    element += count;
    out = out.subspan(count * size);
  }
  return {};
}

// Rows that lie one after the other, or whose blocks have another order.
Status WeightMaker::MakeRows(const WeightRecipe& recipe, uint64_t element,
                             std::span<std::byte> out) const {
  if (recipe.order.empty()) return Read(recipe, recipe.first + element, out);
  const uint64_t block = recipe.rows / recipe.order.size() * recipe.cols;
  const uint64_t size = BytesOf(recipe.type);
  while (!out.empty()) {
    const uint64_t in_block = element % block;
    const uint64_t count = std::min<uint64_t>(out.size() / size, block - in_block);
    const uint64_t from = recipe.first + recipe.order[element / block] * block + in_block;
    TRY(Read(recipe, from, out.first(count * size)));
    element += count;
    out = out.subspan(count * size);
  }
  return {};
}

Status WeightMaker::Read(const WeightRecipe& recipe, uint64_t element,
                         std::span<std::byte> out) const {
  const OnnxType type = recipe.tensor->type;
  if (IsSame(type, recipe.type) && recipe.scale == 1) {
    return ReadElements(*recipe.tensor, parts_, element, out);
  }
  std::vector<std::byte> bytes(out.size() / BytesOf(recipe.type) * ElementBytes(type));
  TRY(ReadElements(*recipe.tensor, parts_, element, bytes));
  Decode(recipe, bytes, out);
  return {};
}

Status WeightMaker::FillPanel(size_t index, uint64_t row) {
  const WeightRecipe& recipe = recipes_[index];
  const uint64_t size = ElementBytes(recipe.tensor->type), row_bytes = recipe.cols * size;
  const uint64_t in_group = row % recipe.stride;
  const uint64_t rows =
      std::min(std::max<uint64_t>(kPanelBytes / row_bytes, 1), recipe.stride - in_group);
  panel_.index = SIZE_MAX;  // until it is full
  panel_.begin = row;
  panel_.end = row + rows;
  panel_.bytes.resize(rows * row_bytes);
  const uint64_t group = recipe.first + (row - in_group) * recipe.cols;
  const uint64_t chunk_bytes = recipe.length * size;
  std::vector<std::byte> piece(rows * chunk_bytes);
  for (uint64_t i = 0; i < recipe.chunks; ++i) {
    const uint64_t from = group + (i * recipe.stride + in_group) * recipe.length;
    TRY(ReadElements(*recipe.tensor, parts_, from, piece));
    for (uint64_t r = 0; r < rows; ++r) {
      std::memcpy(panel_.bytes.data() + r * row_bytes + i * chunk_bytes,
                  piece.data() + r * chunk_bytes, chunk_bytes);
    }
  }
  panel_.index = index;
  return {};
}

}  // namespace tinyai
