#include "graph/spill.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "graph/recompute.h"

namespace tinyai {
namespace {

// Puts an op before number `at`, as one of `layer`.
void InsertOp(Graph& graph, uint32_t layer, uint32_t at, Op op) {
  graph.ops.insert(graph.ops.begin() + at, std::move(op));
  ++graph.layers[layer].op_count;
  for (size_t i = layer + 1; i < graph.layers.size(); ++i) ++graph.layers[i].first_op;
}

Op RemoveOp(Graph& graph, uint32_t layer, uint32_t at) {
  Op op = std::move(graph.ops[at]);
  graph.ops.erase(graph.ops.begin() + at);
  --graph.layers[layer].op_count;
  for (size_t i = layer + 1; i < graph.layers.size(); ++i) --graph.layers[i].first_op;
  return op;
}

uint32_t EndOf(const Layer& layer) { return layer.first_op + layer.op_count; }

ValueId AddLike(Graph& graph, ValueId like, std::string_view suffix) {
  Value value = graph.value(like);
  value.name += suffix;
  graph.values.push_back(std::move(value));
  return ValueId(graph.values.size() - 1);
}

uint32_t LayerOf(const Graph& graph, uint32_t op) {
  uint32_t layer = 0;
  while (EndOf(graph.layers[layer]) <= op) ++layer;
  return layer;
}

}  // namespace

Result<BandedGraph> SpillFor(const BandedGraph& from, uint32_t layer, uint32_t reader) {
  const Graph& old = from.graph;
  const ValueId output = old.layers[layer].output;
  const std::vector<uint32_t> readers = ReadersOf(old, layer);
  const auto late = std::find(readers.begin(), readers.end(), reader);
  const bool wanted =
      std::find(old.outputs.begin(), old.outputs.end(), output) != old.outputs.end();
  if (old.is_text() || wanted || late == readers.begin() || late == readers.end()) {
    return Fail(ErrorCode::kUsage, "GRAPH_DEPENDENCY",
                fmt::format("the result of layer {} cannot be put away until layer {}",
                            old.layers[layer].name, reader));
  }
  BandedGraph out = from;
  Graph& graph = out.graph;
  const std::string& name = old.value(output).name;
  out.changes.push_back({GraphChange::Kind::kSpill, layer, reader, 0, name});
  const ValueId away = AddLike(graph, output, ".away"), back = AddLike(graph, output, ".back");
  graph.values[Index(away)].row_bytes = 0;
  for (uint32_t i = reader; i < graph.layers.size(); ++i) {
    Layer& it = graph.layers[i];
    std::replace(it.operands.begin(), it.operands.end(), output, i == reader ? away : back);
    for (uint32_t k = it.first_op; k < EndOf(it); ++k) {
      std::vector<ValueId>& ins = graph.ops[k].ins;
      std::replace(ins.begin(), ins.end(), output, back);
    }
  }
  InsertOp(
      graph, reader, graph.layers[reader].first_op,
      {.name = name + ".fetch", .kind = op::Fetch{}, .ins = {away}, .weights = {}, .out = back});
  const uint32_t last = *std::prev(late);
  InsertOp(
      graph, last, EndOf(graph.layers[last]),
      {.name = name + ".spill", .kind = op::Spill{}, .ins = {output}, .weights = {}, .out = away});
  return out;
}

bool Spills(const Graph& graph) {
  return std::any_of(graph.ops.begin(), graph.ops.end(),
                     [](const Op& op) { return std::holds_alternative<op::Spill>(op.kind); });
}

std::optional<BandedGraph> FetchEarlier(const BandedGraph& from, OpId fetch) {
  const auto at = static_cast<uint32_t>(Index(fetch));
  const uint32_t layer = LayerOf(from.graph, at);
  if (layer == 0) return std::nullopt;
  const Layer& before = from.graph.layers[layer - 1];
  const ValueId away = from.graph.ops[at].ins[0];
  const auto begin = from.graph.ops.begin();
  const bool written =
      std::any_of(begin, begin + before.first_op, [&](const Op& op) { return op.out == away; });
  if (!written) return std::nullopt;
  BandedGraph out = from;
  out.changes.push_back({GraphChange::Kind::kFetchEarlier, at, 0, 0, from.graph.ops[at].name});
  Op op = RemoveOp(out.graph, layer, at);
  InsertOp(out.graph, layer - 1, before.first_op, std::move(op));
  return out;
}

}  // namespace tinyai
