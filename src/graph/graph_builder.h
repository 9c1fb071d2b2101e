#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "format/model_file.h"
#include "graph/build.h"
#include "graph/graph.h"

namespace tinyai {

// Adds ops to a graph one after the other. Weights are looked up in the file by name and their
// shape is checked against what the op needs.
class GraphBuilder {
 public:
  GraphBuilder(const ModelFile& file, const GraphOptions& options, Graph& graph)
      : file_(file), options_(options), graph_(graph) {}

  void set_layer(int32_t layer) { layer_ = layer; }

  // Errors MODEL_TENSOR_MISSING, MODEL_SHAPE, MODEL_TENSOR_TYPE.
  Result<WeightId> Matrix(const std::string& name, uint64_t rows, uint64_t cols);
  Result<WeightId> Vector(const std::string& name, uint64_t size);  // F32
  Result<std::optional<WeightId>> OptionalVector(const std::string& name, uint64_t size);

  ValueId Embed(WeightId table);
  ValueId RmsNorm(std::string name, ValueId in, WeightId weight, float epsilon, uint64_t group);
  // x * matrix^T (+ bias). Quantises x first where that pays, once for all its consumers.
  ValueId MatMul(std::string name, ValueId in, WeightId matrix, std::optional<WeightId> bias);
  ValueId Rope(std::string name, ValueId in, uint64_t heads);
  ValueId Attention(std::string name, ValueId q, ValueId k, ValueId v);
  ValueId SiluMul(std::string name, ValueId gate, ValueId up);
  ValueId Add(std::string name, ValueId a, ValueId b);
  ValueId TakeLast(ValueId in);

  // Tensors of the file that no op reads.
  size_t UnusedTensors() const;

 private:
  Result<WeightId> Find(const std::string& name, uint64_t rows, uint64_t cols, bool vector);
  ValueId NewValue(std::string name, Rows rows, uint64_t width, Element element);
  ValueId Emit(std::string name, OpKind kind, std::vector<ValueId> ins,
               std::vector<WeightId> weights, uint64_t width, Element element = Element::kFloat);

  const ModelFile& file_;
  const GraphOptions options_;
  Graph& graph_;
  int32_t layer_ = -1;
  std::unordered_map<std::string, WeightId> by_name_;
  std::unordered_map<uint32_t, ValueId> quantized_;  // by value id
};

}  // namespace tinyai
