#include "fmt/format.h"
#include "format/gguf_input.h"
#include "onnx/importer.h"

namespace tinyai {

Result<WeightId> Importer::AddWeight(const WeightRecipe& recipe, const std::string& name) {
  const auto key = std::tuple(recipe.tensor, recipe.first, recipe.cols, recipe.chunks,
                              recipe.stride, recipe.order, recipe.scale, recipe.type);
  const bool from_file = recipe.tensor != nullptr;
  if (from_file) {
    const auto found = weights_.find(key);
    if (found != weights_.end()) return found->second;
  }
  TRY_ASSIGN(const WeightId id,
             builder_.Weight(NewName(name, weight_names_), recipe.type, recipe.rows, recipe.cols));
  if (recipe.made != nullptr) {
    held_ += recipe.made->size();
    TRY(CheckHeld());
  }
  recipes_.push_back(recipe);
  if (from_file) weights_.emplace(key, id);
  return id;
}

Result<WeightId> Importer::AddVector(std::vector<float> values, std::string_view what) {
  WeightRecipe recipe;
  recipe.cols = recipe.length = values.size();
  recipe.made = std::make_shared<const std::vector<float>>(std::move(values));
  return AddWeight(recipe, fmt::format("{}.{}", NodeName(), what));
}

Result<WeightId> Importer::VectorIn(const OnnxNode& node, size_t input, uint64_t size) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  if (const auto* const stored = std::get_if<Stored>(known)) {
    if (stored->tensor->elements != size) {
      return Bad(
          fmt::format("operand {} has {} elements, not {}", input, stored->tensor->elements, size));
    }
    return AddWeight({.tensor = stored->tensor, .cols = size, .length = size},
                     stored->tensor->name);
  }
  TRY_ASSIGN(const auto constant, ConstantIn(node, input));
  if (constant->size() != size) {
    return Bad(fmt::format("operand {} has {} elements, not {}", input, constant->size(), size));
  }
  return AddVector(FloatsOf(*constant, constant->dims), fmt::format("operand{}", input));
}

Result<DType> Importer::MatrixType(const OnnxTensor& tensor, float scale) const {
  if (scale == 1 && tensor.type == OnnxType::kF16) return DType::kF16;
  if (scale == 1 && tensor.type == OnnxType::kBF16) return DType::kBF16;
  switch (tensor.type) {
    case OnnxType::kFloat:
    case OnnxType::kF64:
    case OnnxType::kF16:
    case OnnxType::kBF16:
      return DType::kF32;
    default:
      return Unsupported(fmt::format("its weights '{}' are integers", Shown(tensor.name)));
  }
}

Result<WeightId> Importer::LaidOut(const OnnxNode& node, size_t input, WeightRecipe layout) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  if (const auto* const stored = std::get_if<Stored>(known)) {
    layout.tensor = stored->tensor;
    TRY_ASSIGN(layout.type, MatrixType(*stored->tensor, layout.scale));
    return AddWeight(layout, stored->tensor->name);
  }
  // Numbers that were computed are put in order at once.
  TRY_ASSIGN(const auto constant, ConstantIn(node, input));
  const std::vector<float> floats = FloatsOf(*constant, constant->dims);
  const std::span<const std::byte> bytes = std::as_bytes(std::span(floats));
  const OnnxTensor tensor{.elements = floats.size(), .here = {bytes.begin(), bytes.end()}};
  layout.tensor = &tensor;
  std::vector<float> rows(layout.rows * layout.cols);
  TRY(WeightMaker({&layout, 1}, {}).Make(0, 0, std::as_writable_bytes(std::span(rows))));
  WeightRecipe made{.rows = layout.rows, .cols = layout.cols};
  made.made = std::make_shared<const std::vector<float>>(std::move(rows));
  return AddWeight(made, fmt::format("{}.weight", NodeName()));
}

Result<WeightId> Importer::RowsIn(const OnnxNode& node, size_t input, uint64_t rows) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  const uint64_t elements = Product(DimsOf(*known));
  if (rows == 0 || elements == 0 || elements % rows != 0) {
    return Bad("its weights do not have its rows");
  }
  const uint64_t cols = elements / rows;
  const auto* const stored = std::get_if<Stored>(known);
  if (stored != nullptr && stored->transposed) return MatrixIn(node, input, true);
  return LaidOut(node, input, {.rows = rows, .cols = cols, .length = cols});
}

Result<WeightId> Importer::MatrixIn(const OnnxNode& node, size_t input, bool turned, float scale) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  Dims dims = DimsOf(*known);
  if (dims.size() == 1) dims.push_back(1);
  const uint64_t elements = Product(dims);
  if (dims.size() < 2 || elements == 0 || elements != dims[dims.size() - 2] * dims.back()) {
    return Unsupported("its weights are no matrix");
  }
  uint64_t inputs = dims[dims.size() - 2], outputs = dims.back();
  if (turned) std::swap(inputs, outputs);
  const auto* const stored = std::get_if<Stored>(known);
  const bool lies_turned = stored != nullptr && stored->transposed;
  WeightRecipe layout{.rows = outputs, .cols = inputs, .length = inputs, .scale = scale};
  if (turned == lies_turned) {  // in the file, a row for each input
    layout.chunks = inputs;
    layout.length = 1;
    layout.stride = outputs;
  }
  return LaidOut(node, input, layout);
}

}  // namespace tinyai
