#include "graph/graph_records.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "base/escape.h"
#include "fmt/format.h"
#include "graph/attributes.h"
#include "graph/shapes.h"

namespace tinyai {
namespace {

using Attribute = GraphRecords::Attribute;

std::span<const std::string_view> NamesOf(op::PoolKind) {
  static constexpr std::string_view kNames[] = {"max", "average"};
  return kNames;
}
std::span<const std::string_view> NamesOf(op::Function) {
  static constexpr std::string_view kNames[] = {"relu",         "leaky_relu", "gelu", "gelu_tanh",
                                                "silu",         "sigmoid",    "tanh", "hard_swish",
                                                "hard_sigmoid", "clip"};
  return kNames;
}
std::span<const std::string_view> NamesOf(op::PadMode) {
  static constexpr std::string_view kNames[] = {"constant", "reflect", "edge"};
  return kNames;
}
std::span<const std::string_view> NamesOf(op::ResizeMode) {
  static constexpr std::string_view kNames[] = {"nearest", "linear"};
  return kNames;
}
std::span<const std::string_view> NamesOf(op::ReduceKind) {
  static constexpr std::string_view kNames[] = {"sum", "mean", "max", "min"};
  return kNames;
}
std::span<const std::string_view> NamesOf(op::Cell) {
  static constexpr std::string_view kNames[] = {"lstm", "gru"};
  return kNames;
}

template <typename T>
constexpr bool kIsList = requires(T& list) {
  list.begin();
};

// Writes every attribute.
struct Writer {
  std::vector<std::pair<std::string, Attribute>>& out;

  template <typename T>
  void operator()(std::string_view name, const T& field) {
    out.emplace_back(name, ToAttribute(field));
  }
  template <typename T>
  static Attribute ToAttribute(const T& field) {
    if constexpr (std::is_enum_v<T>) {
      return std::string(NamesOf(field)[static_cast<size_t>(field)]);
    } else if constexpr (kIsList<T>) {
      std::vector<int64_t> list;
      for (const auto item : field) list.push_back(static_cast<int64_t>(item));
      return list;
    } else if constexpr (std::is_floating_point_v<T>) {
      return double{field};
    } else {
      return static_cast<int64_t>(field);
    }
  }
};

// Reads every attribute: numbers and flags that are missing keep their default, lists and names do
// not have one.
struct Reader {
  const GraphRecords::Op& from;
  size_t known = 0;
  std::string bad;  // what is wrong with the first attribute that is

  template <typename T>
  void operator()(std::string_view name, T& field) {
    if (!bad.empty()) return;
    for (const auto& [given, attribute] : from.attributes) {
      if (given != name) continue;
      ++known;
      if (!Set(attribute, field)) bad = fmt::format("its {} makes no sense", name);
      return;
    }
    constexpr bool kNeeded = std::is_enum_v<T> || std::is_same_v<T, Shape>;
    if (kNeeded) bad = fmt::format("its {} is missing", name);
  }
  template <typename Number>
  static bool SetNumber(int64_t from, Number& field) {
    if (from < 0 || static_cast<uint64_t>(from) > std::numeric_limits<Number>::max()) return false;
    field = static_cast<Number>(from);
    return true;
  }
  template <typename T>
  static bool Set(const Attribute& attribute, T& field) {
    if constexpr (std::is_enum_v<T>) {
      const auto* const text = std::get_if<std::string>(&attribute);
      if (text == nullptr) return false;
      const auto names = NamesOf(field);
      for (size_t i = 0; i < names.size(); ++i) {
        if (names[i] == *text) return field = static_cast<T>(i), true;
      }
      return false;
    } else if constexpr (kIsList<T>) {
      const auto* const list = std::get_if<std::vector<int64_t>>(&attribute);
      if (list == nullptr) return false;
      if constexpr (requires { field.resize(0); }) {
        field.resize(list->size());
      } else if (list->size() != field.size()) {
        return false;
      }
      for (size_t i = 0; i < list->size(); ++i) {
        if (!SetNumber((*list)[i], field[i])) return false;
      }
      return true;
    } else if constexpr (std::is_floating_point_v<T>) {
      const auto* const number = std::get_if<double>(&attribute);
      if (number == nullptr || !std::isfinite(*number)) return false;
      field = static_cast<T>(*number);
      return true;
    } else {
      const auto* const number = std::get_if<int64_t>(&attribute);
      if (number == nullptr) return false;
      if constexpr (std::is_same_v<T, bool>) {
        field = *number == 1;
        return *number == 0 || *number == 1;
      } else {
        return SetNumber(*number, field);
      }
    }
  }
};

tl::unexpected<Error> BadOp(const GraphRecords::Op& op, std::string_view what,
                            ErrorCode code = ErrorCode::kBadFile) {
  return Fail(code, "GRAPH_OP",
              fmt::format("{} '{}': {}", EscapeControl(op.kind), EscapeControl(op.name), what));
}

template <size_t kIndex = 0>
Result<OpKind> ReadKind(const GraphRecords::Op& from) {
  if constexpr (kIndex == std::variant_size_v<OpKind>) {
    return BadOp(from, "there is no such op", ErrorCode::kUnsupported);
  } else {
    OpKind kind{std::in_place_index<kIndex>};
    if (Name(kind) != from.kind) return ReadKind<kIndex + 1>(from);
    Reader reader{from, 0, {}};
    VisitAttributes(std::get<kIndex>(kind), reader);
    if (!reader.bad.empty()) return BadOp(from, reader.bad);
    if (reader.known != from.attributes.size()) return BadOp(from, "it has unknown attributes");
    return kind;
  }
}

Status AddWeights(std::vector<TensorInfo> tensors, std::span<const std::string> parts,
                  Graph& graph) {
  graph.weights.reserve(tensors.size());
  for (TensorInfo& tensor : tensors) {
    const bool vector = tensor.dims[1] * tensor.dims[2] * tensor.dims[3] == 1;
    if (vector && tensor.type == DType::kF32 && tensor.offset % alignof(float) != 0) {
      return FailAt(ErrorCode::kUnsupported, "MODEL_TENSOR_ALIGN",
                    fmt::format("tensor {}: its floats are not aligned in the file", tensor.name),
                    parts[tensor.part], tensor.offset);
    }
    const uint64_t rows = tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
    graph.weights.push_back({std::move(tensor.name), tensor.type, rows, tensor.dims[0], tensor.part,
                             tensor.offset, tensor.bytes});
  }
  return {};
}

class GraphReader {
 public:
  explicit GraphReader(const PackedGraph& records)
      : records_(records), value_of_(records.value_count(), kNobody) {}

  Result<Graph> Read(std::vector<TensorInfo> tensors, std::span<const std::string> parts) {
    TRY(AddWeights(std::move(tensors), parts, graph_));
    graph_.values.reserve(records_.value_count());
    graph_.ops.reserve(records_.op_count() + records_.inputs().size());
    graph_.layers.reserve(records_.layer_count());
    for (uint32_t i = 0; i < records_.inputs().size(); ++i) TRY(AddInput(i));
    size_t done = 0;
    for (size_t i = 0; i < records_.layer_count(); ++i) {
      GraphRecords::Layer layer = records_.layer(i);
      const size_t end = size_t{layer.first_op} + layer.op_count;
      for (; done < std::min(end, records_.op_count()); ++done) TRY(AddOp(records_.op(done)));
      TRY_ASSIGN(const ValueId output, Made(layer.output));
      graph_.EndLayer(std::move(layer.name), layer.role, output);
    }
    for (const uint32_t id : records_.outputs()) {
      TRY_ASSIGN(graph_.outputs.emplace_back(), Made(id));
    }
    if (done != records_.op_count() || graph_.layers.empty() || graph_.outputs.empty()) {
      return Fail(ErrorCode::kBadFile, "GRAPH_OP",
                  "a graph needs layers that hold all its ops, and outputs");
    }
    return std::move(graph_);
  }

 private:
  Result<ValueId> Made(uint32_t value) const {
    if (value_of_[value] != kNobody) return value_of_[value];
    return Fail(ErrorCode::kBadFile, "GRAPH_OP",
                fmt::format("{} is a layer's or the graph's result, but nobody has made it",
                            EscapeControl(records_.value(value).name)));
  }
  Status AddInput(uint32_t index) {
    const uint32_t input = records_.inputs()[index];
    const GraphRecords::Value value = records_.value(input);
    TRY_ASSIGN(const ValueId id,
               AppendOp(graph_, value.name, op::Input{index, value.shape}, {}, {}));
    value_of_[input] = id;
    graph_.inputs.push_back(id);
    return {};
  }
  Status AddOp(const GraphRecords::Op& from) {
    TRY_ASSIGN(OpKind kind, ReadKind(from));
    if (std::holds_alternative<op::Input>(kind)) return BadOp(from, "inputs have a list of theirs");
    if (from.outs.size() != 1) return BadOp(from, "it must have one result");
    std::vector<ValueId> ins;
    for (const uint32_t in : from.ins) {
      if (value_of_[in] == kNobody) return BadOp(from, "it reads what nobody has made");
      ins.push_back(value_of_[in]);
    }
    std::vector<WeightId> weights;
    for (const uint32_t weight : from.weights) weights.push_back(WeightId{weight});
    TRY_ASSIGN(const ValueId out,
               AppendOp(graph_, from.name, std::move(kind), std::move(ins), std::move(weights)));
    GraphRecords::Value stated = records_.value(from.outs[0]);
    if (stated.shape != graph_.value(out).shape) {
      return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE",
                  fmt::format("{} is {} in the file, but {} '{}' makes {}",
                              EscapeControl(stated.name), ShapeText(stated.shape), from.kind,
                              EscapeControl(from.name), ShapeText(graph_.value(out).shape)));
    }
    graph_.values[Index(out)].name = std::move(stated.name);
    value_of_[from.outs[0]] = out;
    return {};
  }

  static constexpr ValueId kNobody{~uint32_t{0}};
  const PackedGraph& records_;
  Graph graph_;
  std::vector<ValueId> value_of_;  // by value of the records
};

}  // namespace

Result<Graph> WeightsAlone(std::vector<TensorInfo> tensors, std::span<const std::string> parts) {
  Graph graph;
  TRY(AddWeights(std::move(tensors), parts, graph));
  return graph;
}

Result<OpKind> OpKindFromRecord(const GraphRecords::Op& record) { return ReadKind(record); }

Result<Graph> GraphFromRecords(const PackedGraph& records, std::vector<TensorInfo> tensors,
                               std::span<const std::string> parts) {
  return GraphReader(records).Read(std::move(tensors), parts);
}

namespace {

// Of a text model: values are what one layer gives to another.
GraphRecords LayersOf(const Graph& graph) {
  GraphRecords out;
  std::vector<uint32_t> record_of(graph.values.size());
  for (const Layer& layer : graph.layers) {
    record_of[Index(layer.output)] = static_cast<uint32_t>(out.values.size());
    const Value& value = graph.value(layer.output);
    out.values.push_back({value.name, value.shape});
    GraphRecords::Layer& to = out.layers.emplace_back();
    to.name = layer.name;
    to.role = layer.role;
    for (const ValueId operand : layer.operands) to.operands.push_back(record_of[Index(operand)]);
    to.output = record_of[Index(layer.output)];
  }
  for (const ValueId id : graph.outputs) out.outputs.push_back(record_of[Index(id)]);
  return out;
}

}  // namespace

GraphRecords RecordsOf(const Graph& graph) {
  GraphRecords out;
  const auto number = [](auto id) { return static_cast<uint32_t>(Index(id)); };
  const auto numbers = [&](const auto& ids) {
    std::vector<uint32_t> list;
    for (const auto id : ids) list.push_back(number(id));
    return list;
  };
  const auto layer_of = [&](const Layer& layer, uint32_t first_op, uint32_t op_count) {
    return GraphRecords::Layer{.name = layer.name,
                               .role = layer.role,
                               .first_op = first_op,
                               .op_count = op_count,
                               .operands = numbers(layer.operands),
                               .output = number(layer.output)};
  };
  if (graph.is_text()) return LayersOf(graph);
  for (const Value& value : graph.values) out.values.push_back({value.name, value.shape});
  out.inputs = numbers(graph.inputs);
  out.outputs = numbers(graph.outputs);
  for (const Layer& layer : graph.layers) {
    const auto first = static_cast<uint32_t>(out.ops.size());
    for (uint32_t i = layer.first_op; i < layer.first_op + layer.op_count; ++i) {
      const Op& op = graph.ops[i];
      if (std::holds_alternative<op::Input>(op.kind)) continue;
      GraphRecords::Op& to = out.ops.emplace_back();
      to.name = op.name;
      to.kind = Name(op.kind);
      std::visit([&](const auto& kind) { VisitAttributes(kind, Writer{to.attributes}); }, op.kind);
      to.ins = numbers(op.ins);
      to.outs = {number(*op.out)};
      to.weights = numbers(op.weights);
    }
    out.layers.push_back(layer_of(layer, first, static_cast<uint32_t>(out.ops.size()) - first));
  }
  return out;
}

}  // namespace tinyai
