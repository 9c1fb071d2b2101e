#include "engine/graph_contents.h"

#include <utility>

#include "graph/graph_records.h"

namespace tinyai {
namespace {

// The graph's weights in the order in which its layers first use them, as a file has them.
std::vector<uint32_t> TensorOrder(const Graph& graph, GraphRecords& records) {
  constexpr uint32_t kNowhere = ~uint32_t{0};
  std::vector<uint32_t> place(graph.weights.size(), kNowhere), order;
  for (GraphRecords::Layer& layer : records.layers) {
    layer.first_tensor = static_cast<uint32_t>(order.size());
    for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
      for (uint32_t& weight : records.ops[i].weights) {
        if (place[weight] == kNowhere) {
          place[weight] = static_cast<uint32_t>(order.size());
          order.push_back(weight);
        }
        weight = place[weight];
      }
    }
    layer.tensor_count = static_cast<uint32_t>(order.size()) - layer.first_tensor;
  }
  return order;
}

}  // namespace

TmaiContents ContentsOf(const Graph& graph, const std::string& name, std::vector<uint32_t>& order) {
  GraphRecords records = RecordsOf(graph);
  order = TensorOrder(graph, records);
  TmaiContents contents;
  if (!name.empty()) contents.metadata.AddString("general.name", name);
  for (const uint32_t index : order) {
    const Weight& weight = graph.weights[index];
    TensorInfo& tensor = contents.tensors.emplace_back();
    tensor.name = weight.name;
    tensor.type = weight.type;
    tensor.n_dims = weight.rows == 1 ? 1 : 2;
    tensor.dims = {weight.cols, weight.rows, 1, 1};
  }
  contents.graph = std::move(records);
  return contents;
}

}  // namespace tinyai
