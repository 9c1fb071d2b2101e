#include "graph/layer_builder.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "graph/shapes.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kBadFile, "GRAPH_OP", std::move(message));
}

}  // namespace

Result<ValueId> LayerBuilder::Input(std::string name, Shape shape) {
  const auto index = static_cast<uint32_t>(graph_.inputs.size());
  TRY_ASSIGN(const ValueId id,
             AppendOp(graph_, std::move(name), op::Input{index, std::move(shape)}, {}, {}));
  graph_.inputs.push_back(id);
  return id;
}

Result<WeightId> LayerBuilder::Weight(std::string name, DType type, uint64_t rows, uint64_t cols) {
  const uint64_t block = Info(type).block_elements;
  const std::optional<uint64_t> count = CheckedMul(rows, cols);
  if (!count || *count == 0 || *count >> 48 != 0 || cols % block != 0) {
    return Bad(fmt::format("weight {}: {} rows of {} cannot be kept as {}, which has blocks of {}",
                           name, rows, cols, Name(type), block));
  }
  const WeightId id{static_cast<uint32_t>(graph_.weights.size())};
  if (!weights_.emplace(name, id).second) return Bad(fmt::format("there are two weights {}", name));
  graph_.weights.push_back({std::move(name), type, rows, cols, 0, 0, rows * RowBytes(type, cols)});
  return id;
}

Result<ValueId> LayerBuilder::Add(std::string name, OpKind kind, std::vector<ValueId> ins,
                                  std::vector<WeightId> weights) {
  for (const ValueId in : ins) {
    if (Index(in) >= graph_.values.size()) return Bad(fmt::format("{}: no such operand", name));
  }
  for (const WeightId weight : weights) {
    if (Index(weight) >= graph_.weights.size()) return Bad(fmt::format("{}: no such weight", name));
  }
  return AppendOp(graph_, std::move(name), std::move(kind), std::move(ins), std::move(weights));
}

Status LayerBuilder::EndLayer(std::string name, LayerRole role) {
  size_t done = 0;
  if (!graph_.layers.empty()) {
    done = graph_.layers.back().first_op + graph_.layers.back().op_count;
  }
  const bool computes =
      std::any_of(graph_.ops.begin() + static_cast<ptrdiff_t>(done), graph_.ops.end(),
                  [](const Op& op) { return !std::holds_alternative<op::Input>(op.kind); });
  if (!computes) return Bad(fmt::format("layer {} has no op", name));
  graph_.EndLayer(std::move(name), role, *graph_.ops.back().out);
  return {};
}

Result<ValueId> LayerBuilder::Layer(std::string name, LayerRole role, OpKind kind,
                                    std::vector<ValueId> ins, std::vector<WeightId> weights) {
  TRY_ASSIGN(const ValueId out, Add(name, std::move(kind), std::move(ins), std::move(weights)));
  TRY(EndLayer(std::move(name), role));
  return out;
}

Result<Graph> LayerBuilder::Finish(std::vector<ValueId> outputs) {
  if (graph_.layers.empty()) return Bad("there is no layer");
  if (graph_.layers.back().first_op + graph_.layers.back().op_count != graph_.ops.size()) {
    return Bad(fmt::format("op {} belongs to no layer", graph_.ops.back().name));
  }
  if (outputs.empty()) {
    std::vector<bool> read(graph_.values.size());
    for (const Op& op : graph_.ops) {
      for (const ValueId in : op.ins) read[Index(in)] = true;
    }
    for (size_t i = 0; i < read.size(); ++i) {
      if (!read[i]) outputs.push_back(ValueId(i));
    }
  }
  graph_.outputs = std::move(outputs);
  return std::move(graph_);
}

}  // namespace tinyai
