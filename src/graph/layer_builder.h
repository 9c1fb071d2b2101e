#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "graph/graph.h"

namespace tinyai {

// Makes a layer graph from nothing, op by op; a file of it is what RecordsOf and a writer make.
// Each op is checked when it is added: errors GRAPH_OP, GRAPH_SHAPE.
class LayerBuilder {
 public:
  explicit LayerBuilder(std::string name) { graph_.name = std::move(name); }

  Result<ValueId> Input(std::string name, Shape shape);
  // A weight of `rows` rows of `cols` elements: where it lies is the file's business. Error
  // GRAPH_OP if there is another weight of this name, or a row is no whole blocks of its type.
  Result<WeightId> Weight(std::string name, DType type, uint64_t rows, uint64_t cols);
  Result<WeightId> Vector(std::string name, uint64_t size) {
    return Weight(std::move(name), DType::kF32, 1, size);
  }

  // One op, in the layer under construction.
  Result<ValueId> Add(std::string name, OpKind kind, std::vector<ValueId> ins,
                      std::vector<WeightId> weights = {});
  // Makes a layer of all ops since the last one; its output is the last op's result.
  Status EndLayer(std::string name, LayerRole role);
  // A layer of one op.
  Result<ValueId> Layer(std::string name, LayerRole role, OpKind kind, std::vector<ValueId> ins,
                        std::vector<WeightId> weights = {});

  const Graph& graph() const { return graph_; }
  // Error GRAPH_OP if there is no layer or some op belongs to none. Without `outputs` these are
  // what no op reads.
  Result<Graph> Finish(std::vector<ValueId> outputs = {});

 private:
  Graph graph_;
  std::unordered_map<std::string, WeightId> weights_;
};

}  // namespace tinyai
