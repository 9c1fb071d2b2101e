#include "graph/recompute.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"

namespace tinyai {
namespace {

bool Reads(const Graph& graph, const Layer& layer, ValueId value) {
  for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
    const std::vector<ValueId>& ins = graph.ops[i].ins;
    if (std::find(ins.begin(), ins.end(), value) != ins.end()) return true;
  }
  return false;
}

// Appends a copy of an op whose values are renamed by `value_of`, with a result of its own.
void CopyOp(const Graph& from, const Op& op, std::string_view suffix,
            std::unordered_map<uint32_t, ValueId>& value_of, Graph& out) {
  Op copy = op;
  const auto key = [](ValueId id) { return static_cast<uint32_t>(Index(id)); };
  for (ValueId& in : copy.ins) in = value_of.at(key(in));
  copy.name += suffix;
  if (op.out) {
    Value value = from.value(*op.out);
    value.name += suffix;
    copy.out = ValueId(out.values.size());
    out.values.push_back(std::move(value));
    value_of[key(*op.out)] = *copy.out;
  }
  out.ops.push_back(std::move(copy));
}

}  // namespace

std::vector<uint32_t> ReadersOf(const Graph& graph, uint32_t layer) {
  std::vector<uint32_t> readers;
  for (uint32_t i = layer + 1; i < graph.layers.size(); ++i) {
    if (Reads(graph, graph.layers[i], graph.layers[layer].output)) readers.push_back(i);
  }
  return readers;
}

Result<BandedGraph> RecomputeFor(const BandedGraph& from, uint32_t layer, uint32_t reader) {
  const Graph& old = from.graph;
  const ValueId output = old.layers[layer].output;
  const bool wanted =
      std::find(old.outputs.begin(), old.outputs.end(), output) != old.outputs.end();
  if (old.is_text() || wanted || reader <= layer || reader >= old.layers.size() ||
      !Reads(old, old.layers[reader], output)) {
    return Fail(ErrorCode::kUsage, "GRAPH_DEPENDENCY",
                fmt::format("layer {} cannot be computed again for layer {}",
                            old.layers[layer].name, reader));
  }
  BandedGraph out = from;
  out.changes.push_back({GraphChange::Kind::kRecompute, layer, reader, 0, old.value(output).name});
  Graph& graph = out.graph;
  graph.ops.clear();
  graph.values.clear();
  graph.layers.clear();
  std::unordered_map<uint32_t, ValueId> value_of;
  const auto copy_layer = [&](const Layer& it, std::string_view suffix, bool again) {
    for (uint32_t i = it.first_op; i < it.first_op + it.op_count; ++i) {
      const OpKind& kind = old.ops[i].kind;
      const bool is_input = std::holds_alternative<op::Input>(kind);
      if (again && (is_input || std::holds_alternative<op::Spill>(kind))) continue;
      CopyOp(old, old.ops[i], suffix, value_of, graph);
    }
  };
  for (uint32_t i = 0; i < old.layers.size(); ++i) {
    const Layer& it = old.layers[i];
    if (i == reader) copy_layer(old.layers[layer], ".again", true);
    copy_layer(it, "", false);
    const ValueId made = value_of.at(static_cast<uint32_t>(Index(it.output)));
    graph.EndLayer(it.name, it.role, made);
    for (LayerGroup::Member& member : out.groups[i].members) {
      if (member.output) member.output = value_of.at(static_cast<uint32_t>(Index(*member.output)));
    }
  }
  for (ValueId& id : graph.inputs) id = value_of.at(static_cast<uint32_t>(Index(id)));
  for (ValueId& id : graph.outputs) id = value_of.at(static_cast<uint32_t>(Index(id)));
  return out;
}

}  // namespace tinyai
