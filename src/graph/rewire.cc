#include "graph/rewire.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <unordered_map>
#include <utility>

#include "fmt/format.h"
#include "graph/shapes.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kUsage, "GRAPH_DEPENDENCY", std::move(message));
}

class Rewirer {
 public:
  Rewirer(const Graph& model, std::span<const WiredLayer> wiring)
      : model_(model), wiring_(wiring), output_of_(model.layers.size()) {
    out_.graph = model;
    out_.graph.ops.clear();
    out_.graph.values.clear();
    out_.graph.layers.clear();
    out_.graph.inputs.clear();
    out_.graph.outputs.clear();
  }

  Result<RewiredGraph> Rewire() {
    TRY_ASSIGN(const std::vector<uint32_t> order, Order());
    for (const uint32_t at : order) TRY(AddLayer(wiring_[at]));
    for (const uint32_t at : order) {
      const uint32_t layer = wiring_[at].layer;
      if (!read_[layer]) out_.graph.outputs.push_back(*output_of_[layer]);
    }
    return std::move(out_);
  }

 private:
  std::string NameOf(uint32_t layer) const {
    return fmt::format("layer {} ({})", layer, model_.layers[layer].name);
  }

  // Positions in the wiring, each after its dependencies; of those that may come next the first.
  Result<std::vector<uint32_t>> Order() {
    std::unordered_map<uint32_t, uint32_t> at_of;
    for (uint32_t at = 0; at < wiring_.size(); ++at) {
      const uint32_t layer = wiring_[at].layer;
      if (layer >= model_.layers.size()) return Bad(fmt::format("there is no layer {}", layer));
      if (!at_of.emplace(layer, at).second) {
        return Bad(fmt::format("{} is scheduled twice", NameOf(layer)));
      }
    }
    std::vector<std::vector<uint32_t>> next(wiring_.size());
    std::vector<size_t> waits(wiring_.size());
    for (uint32_t at = 0; at < wiring_.size(); ++at) {
      for (const uint32_t dependency : wiring_[at].dependencies) {
        const auto found = at_of.find(dependency);
        if (found == at_of.end()) {
          return Bad(fmt::format("{} depends on layer {}, which is not scheduled",
                                 NameOf(wiring_[at].layer), dependency));
        }
        next[found->second].push_back(at);
        ++waits[at];
        read_[dependency] = true;
      }
    }
    std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
    for (uint32_t at = 0; at < wiring_.size(); ++at) {
      if (waits[at] == 0) ready.push(at);
    }
    std::vector<uint32_t> order;
    while (!ready.empty()) {
      order.push_back(ready.top());
      ready.pop();
      for (const uint32_t then : next[order.back()]) {
        if (--waits[then] == 0) ready.push(then);
      }
    }
    if (order.size() == wiring_.size()) return order;
    return Bad(fmt::format("the dependencies form a cycle: {}", Cycle(at_of, waits)));
  }
  // Every layer that still waits depends on one that does: going back long enough is going round.
  std::string Cycle(const std::unordered_map<uint32_t, uint32_t>& at_of,
                    const std::vector<size_t>& waits) const {
    const auto before = [&](uint32_t at) {
      for (const uint32_t dependency : wiring_[at].dependencies) {
        if (waits[at_of.at(dependency)] != 0) return at_of.at(dependency);
      }
      return at;
    };
    uint32_t at = 0;
    while (waits[at] == 0) ++at;
    for (size_t i = 0; i < wiring_.size(); ++i) at = before(at);
    std::string text = NameOf(wiring_[at].layer);
    for (uint32_t other = before(at); other != at; other = before(other)) {
      text += " on " + NameOf(wiring_[other].layer);
    }
    return text + " on " + NameOf(wiring_[at].layer);
  }

  Status AddLayer(const WiredLayer& wired) {
    const Layer& layer = model_.layers[wired.layer];
    TRY_ASSIGN(const std::vector<ValueId> operands, Operands(wired, layer));
    std::unordered_map<uint32_t, ValueId> value_of;  // by value of the model
    for (size_t i = 0; i < operands.size(); ++i) {
      value_of[static_cast<uint32_t>(Index(layer.operands[i]))] = operands[i];
    }
    for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
      const Op& from = model_.ops[i];
      if (std::holds_alternative<op::Input>(from.kind)) continue;
      std::vector<ValueId> ins;
      for (const ValueId in : from.ins) {
        ins.push_back(value_of.at(static_cast<uint32_t>(Index(in))));
      }
      TRY_ASSIGN(const std::optional<ValueId> made, AddOp(from, std::move(ins)));
      if (made) value_of[static_cast<uint32_t>(Index(*from.out))] = *made;
    }
    const ValueId output = value_of.at(static_cast<uint32_t>(Index(layer.output)));
    TRY(Reserve(wired, output));
    output_of_[wired.layer] = output;
    out_.graph.EndLayer(layer.name, layer.role, output);
    out_.origin.push_back(wired.layer);
    return {};
  }

  Status Reserve(const WiredLayer& wired, ValueId output) {
    Value& value = out_.graph.values[Index(output)];
    if (wired.output_bytes == 0) return {};
    if (wired.output_bytes < value.row_bytes) {
      return Bad(fmt::format("the result of {} needs {} bytes; {} were declared for it",
                             NameOf(wired.layer), value.row_bytes, wired.output_bytes));
    }
    value.row_bytes = wired.output_bytes / sizeof(float) * sizeof(float);
    return {};
  }

  Result<std::vector<ValueId>> Operands(const WiredLayer& wired, const Layer& layer) {
    std::vector<ValueId> given;
    for (const uint32_t dependency : wired.dependencies) given.push_back(*output_of_[dependency]);
    if (given.empty()) return Inputs(wired, layer);
    if (layer.operands.size() == 1 && given.size() > 1) {
      TRY_ASSIGN(const ValueId sum, Sums(wired, given));
      given = std::vector<ValueId>(1, sum);
    }
    if (given.size() != layer.operands.size()) {
      return Bad(fmt::format("{} takes {} operands; {} dependencies are given", NameOf(wired.layer),
                             layer.operands.size(), given.size()));
    }
    for (size_t i = 0; i < given.size(); ++i) {
      const Value &from = out_.graph.value(given[i]), &to = model_.value(layer.operands[i]);
      if (from.shape == to.shape && from.rows == to.rows) continue;
      return Fail(ErrorCode::kUsage, "GRAPH_DEPENDENCY",
                  fmt::format("operand {} of {} is {} in the model, not {}", i, NameOf(wired.layer),
                              ShapeText(to.shape), ShapeText(from.shape)));
    }
    return given;
  }
  Result<std::vector<ValueId>> Inputs(const WiredLayer& wired, const Layer& layer) {
    std::vector<ValueId> given;
    for (uint32_t i = 0; i < layer.operands.size(); ++i) {
      if (model_.is_text()) {
        return Bad(fmt::format("{} of a text model needs a dependency", NameOf(wired.layer)));
      }
      TRY_ASSIGN(const ValueId input,
                 AppendOp(out_.graph, fmt::format("{}.input{}", layer.name, i),
                          op::Input{i, model_.value(layer.operands[i]).shape}, {}, {}));
      given.push_back(input);
      if (out_.graph.inputs.size() <= i) out_.graph.inputs.push_back(input);
    }
    return given;
  }
  Result<ValueId> Sums(const WiredLayer& wired, std::span<const ValueId> values) {
    ValueId sum = values.front();
    for (size_t i = 1; i < values.size(); ++i) {
      TRY_ASSIGN(sum, Sum(wired, i, sum, values[i]));
    }
    return sum;
  }
  Result<ValueId> Sum(const WiredLayer& wired, size_t i, ValueId a, ValueId b) {
    const std::string& name = model_.layers[wired.layer].name;
    const Value &x = out_.graph.value(a), &y = out_.graph.value(b);
    if (x.shape != y.shape || x.rows != y.rows) {
      return Fail(ErrorCode::kUsage, "GRAPH_DEPENDENCY",
                  fmt::format("{} takes the sum of what it depends on, but these are {} and {}",
                              NameOf(wired.layer), ShapeText(x.shape), ShapeText(y.shape)));
    }
    Op op{.name = fmt::format("{}.sum{}", name, i), .kind = op::Add{}, .ins = {a, b}};
    Value value = x;
    value.name = op.name;
    op.out = AddValue(std::move(value));
    const ValueId out = *op.out;
    out_.graph.ops.push_back(std::move(op));
    return out;
  }
  ValueId AddValue(Value value) {
    out_.graph.values.push_back(std::move(value));
    return ValueId(out_.graph.values.size() - 1);
  }
  Result<std::optional<ValueId>> AddOp(const Op& from, std::vector<ValueId> ins) {
    Op op = from;
    op.ins = std::move(ins);
    if (op.out) op.out = AddValue(model_.value(*op.out));
    out_.graph.ops.push_back(op);
    return op.out;
  }

  const Graph& model_;
  const std::span<const WiredLayer> wiring_;
  std::vector<std::optional<ValueId>> output_of_;  // by layer of the model
  std::unordered_map<uint32_t, bool> read_;        // by layer of the model
  RewiredGraph out_;
};

}  // namespace

Result<RewiredGraph> Rewire(const Graph& model, std::span<const WiredLayer> wiring) {
  if (!wiring.empty()) return Rewirer(model, wiring).Rewire();
  RewiredGraph out{.graph = model, .origin = {}};
  for (uint32_t i = 0; i < model.layers.size(); ++i) out.origin.push_back(i);
  return out;
}

std::vector<std::vector<uint32_t>> OwnDependencies(const Graph& model) {
  std::vector<std::optional<uint32_t>> maker(model.values.size());
  std::vector<std::vector<uint32_t>> out(model.layers.size());
  for (uint32_t i = 0; i < model.layers.size(); ++i) {
    for (const ValueId operand : model.layers[i].operands) {
      if (maker[Index(operand)]) out[i].push_back(*maker[Index(operand)]);
    }
    maker[Index(model.layers[i].output)] = i;
  }
  return out;
}

void KeepOutputs(Graph& graph, std::span<const uint32_t> layers) {
  for (const uint32_t layer : layers) {
    const ValueId output = graph.layers[layer].output;
    if (std::find(graph.outputs.begin(), graph.outputs.end(), output) == graph.outputs.end()) {
      graph.outputs.push_back(output);
    }
  }
}

}  // namespace tinyai
