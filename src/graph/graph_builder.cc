#include "graph/graph_builder.h"

#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace tinyai {
namespace {

constexpr uint64_t kRowAlignment = 64;  // of rows of activations: a cache line, a wide vector

bool IsQuantized(DType type) {
  return type != DType::kF32 && type != DType::kF16 && type != DType::kBF16;
}

}  // namespace

Result<WeightId> GraphBuilder::Find(const std::string& name, uint64_t rows, uint64_t cols,
                                    bool vector) {
  if (const auto known = by_name_.find(name); known != by_name_.end()) return known->second;
  const TensorInfo* tensor = file_.FindTensor(name);
  if (tensor == nullptr) {
    return Fail(ErrorCode::kBadFile, "MODEL_TENSOR_MISSING",
                fmt::format("tensor {} is missing; the {} architecture needs it as {}x{}", name,
                            graph_.architecture, cols, rows));
  }
  const bool same = tensor->dims[0] == cols && tensor->dims[1] == rows && tensor->dims[2] == 1 &&
                    tensor->dims[3] == 1;
  if (!same) {
    const auto dims = std::span(tensor->dims).first(tensor->n_dims);
    return FailAt(
        ErrorCode::kBadFile, "MODEL_SHAPE",
        fmt::format("tensor {}: expected {}x{}, got {}", name, cols, rows, fmt::join(dims, "x")),
        file_.parts[tensor->part], tensor->offset);
  }
  if (vector && tensor->type != DType::kF32) {
    return FailAt(
        ErrorCode::kBadFile, "MODEL_TENSOR_TYPE",
        fmt::format("tensor {}: a vector must be F32, it is {}", name, Name(tensor->type)),
        file_.parts[tensor->part], tensor->offset);
  }
  if (vector && tensor->offset % alignof(float) != 0) {
    return FailAt(ErrorCode::kUnsupported, "MODEL_TENSOR_ALIGN",
                  fmt::format("tensor {}: its floats are not aligned in the file; write it again "
                              "with the usual alignment of 32",
                              name),
                  file_.parts[tensor->part], tensor->offset);
  }
  const WeightId id{static_cast<uint32_t>(graph_.weights.size())};
  graph_.weights.push_back(
      {name, tensor->type, rows, cols, tensor->part, tensor->offset, tensor->bytes});
  by_name_.emplace(name, id);
  return id;
}

Result<WeightId> GraphBuilder::Matrix(const std::string& name, uint64_t rows, uint64_t cols) {
  return Find(name, rows, cols, false);
}

Result<WeightId> GraphBuilder::Vector(const std::string& name, uint64_t size) {
  return Find(name, 1, size, true);
}

Result<std::optional<WeightId>> GraphBuilder::OptionalVector(const std::string& name,
                                                             uint64_t size) {
  if (file_.FindTensor(name) == nullptr) return std::optional<WeightId>();
  TRY_ASSIGN(const WeightId id, Vector(name, size));
  return std::optional(id);
}

ValueId GraphBuilder::NewValue(std::string name, Rows rows, uint64_t width, Element element) {
  const uint64_t row_bytes = element == Element::kQuantized
                                 ? options_.quantized_row_bytes(width)
                                 : RoundUp(width * sizeof(float), kRowAlignment);
  graph_.values.push_back({std::move(name), rows, width, element, row_bytes, {width}});
  return ValueId{static_cast<uint32_t>(graph_.values.size() - 1)};
}

ValueId GraphBuilder::Emit(std::string name, OpKind kind, std::vector<ValueId> ins,
                           std::vector<WeightId> weights, uint64_t width, Element element) {
  const Rows rows = ins.empty() ? Rows::kTokens : graph_.value(ins[0]).rows;
  const ValueId out = NewValue(name, rows, width, element);
  graph_.ops.push_back({std::move(name), kind, std::move(ins), std::move(weights), out, layer_});
  return out;
}

ValueId GraphBuilder::Embed(WeightId table) {
  return Emit("token_embd", op::Embed{}, {}, {table}, graph_.weight(table).cols);
}

ValueId GraphBuilder::RmsNorm(std::string name, ValueId in, WeightId weight, float epsilon,
                              uint64_t group) {
  return Emit(std::move(name), op::RmsNorm{epsilon, group}, {in}, {weight}, graph_.value(in).width);
}

ValueId GraphBuilder::MatMul(std::string name, ValueId in, WeightId matrix,
                             std::optional<WeightId> bias) {
  const Weight& weight = graph_.weight(matrix);
  ValueId x = in;
  if (options_.quantized_row_bytes != nullptr && IsQuantized(weight.type)) {
    const auto known = quantized_.find(static_cast<uint32_t>(in));
    if (known != quantized_.end()) {
      x = known->second;
    } else {
      x = Emit(graph_.value(in).name + ".q8", op::Quantize{}, {in}, {}, weight.cols,
               Element::kQuantized);
      quantized_.emplace(static_cast<uint32_t>(in), x);
    }
  }
  std::vector<WeightId> weights = {matrix};
  if (bias) weights.push_back(*bias);
  return Emit(std::move(name), op::MatMul{}, {x}, std::move(weights), weight.rows);
}

ValueId GraphBuilder::Rope(std::string name, ValueId in, uint64_t heads) {
  return Emit(std::move(name), op::Rope{heads}, {in}, {}, graph_.value(in).width);
}

ValueId GraphBuilder::Attention(std::string name, ValueId q, ValueId k, ValueId v) {
  const uint32_t layer = static_cast<uint32_t>(layer_);
  graph_.ops.push_back({name + ".cache", op::StoreKv{layer}, {k, v}, {}, std::nullopt, layer_});
  return Emit(std::move(name), op::Attention{layer}, {q}, {},
              graph_.attention.heads * graph_.attention.value_head_dim);
}

ValueId GraphBuilder::SiluMul(std::string name, ValueId gate, ValueId up) {
  return Emit(std::move(name), op::SiluMul{}, {gate, up}, {}, graph_.value(gate).width);
}

ValueId GraphBuilder::Add(std::string name, ValueId a, ValueId b) {
  return Emit(std::move(name), op::Add{}, {a, b}, {}, graph_.value(a).width);
}

ValueId GraphBuilder::TakeLast(ValueId in) {
  const uint64_t width = graph_.value(in).width;
  const ValueId out = NewValue("last", Rows::kLast, width, Element::kFloat);
  graph_.ops.push_back({"last", op::TakeLast{}, {in}, {}, out, layer_});
  return out;
}

size_t GraphBuilder::UnusedTensors() const { return file_.tensors.size() - by_name_.size(); }

}  // namespace tinyai
