#include "fmt/format.h"
#include "format/front_source.h"
#include "format/gguf_input.h"
#include "format/limits.h"
#include "format/packed_graph.h"
#include "format/put_bytes.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

// The directory:
//
//   u32 tensors, u32 values, u32 ops, u32 layers, u8 has graph
//   tensors x  string name, u32 type, u32 n_dims, n_dims x u64 dim (innermost first),
//              u64 offset in the file, u64 bytes
//   values x   string name, u32 n, n x u64 (shape of a sample, outermost first)
//   ops x      string name, string kind, u32 attributes, each a string name, u8 type, value;
//              indexes: ins, outs (values), weights (tensors)
//   layers x   string name, u8 role, u32 first op, u32 ops, u32 first tensor, u32 tensors,
//              indexes: operands (values), u32 output (value)
//   indexes: inputs, outputs (values)
//
//   type: GGUF's id, of ours one from kTmaiFirstOwnType on
//   string: u32 length, bytes      indexes: u32 n, n x u32
//   attribute: 0 i64 | 1 f64 | 2 u32 n, n x i64 | 3 string

constexpr uint64_t kLeastTensorBytes = 4 + 4 + 4 + 8 + 8 + 8;
constexpr uint64_t kLeastValueBytes = 4 + 4;
constexpr uint64_t kLeastOpBytes = 4 + 4 + 4 + 3 * 4;
constexpr uint64_t kLeastLayerBytes = 4 + 1 + 4 * 4 + 4 + 4;

uint32_t IdOf(DType type) {
  if (IsGguf(type)) return static_cast<uint32_t>(type);
  return kTmaiFirstOwnType + static_cast<uint32_t>(type) - static_cast<uint32_t>(kFirstOwnType);
}

std::optional<DType> TypeFromId(uint32_t id) {
  return id == IdOf(DType::kInt2) ? DType::kInt2 : DTypeFromGguf(id);
}

class DirectoryReader {
 public:
  DirectoryReader(const ByteSource& source, uint64_t begin, ModelFile& out)
      : in_(source, begin), out_(out) {}

  Status Read() {
    TRY_ASSIGN(const uint32_t tensors, Count("tensor count", kMaxTensors, kLeastTensorBytes));
    TRY_ASSIGN(const uint32_t values, Count("value count", kMaxGraphValues, kLeastValueBytes));
    TRY_ASSIGN(const uint32_t ops, Count("op count", kMaxGraphValues, kLeastOpBytes));
    TRY_ASSIGN(const uint32_t layers, Count("layer count", kMaxLayers, kLeastLayerBytes));
    TRY_ASSIGN(const uint8_t has_graph, in_.Number<uint8_t>("graph mark"));
    if (has_graph > 1 || (has_graph == 0 && (values | ops | layers) != 0)) {
      return Bad("layers of a graph that is not there");
    }
    out_.tensors.reserve(tensors);
    for (uint32_t i = 0; i < tensors; ++i) TRY(ReadTensor());
    if (has_graph == 0) return {};
    PackedGraph& graph = out_.graph.emplace();
    TRY(ReadRecords<GraphRecords::Value>(values, graph));
    TRY(ReadRecords<GraphRecords::Op>(ops, graph));
    TRY(ReadRecords<GraphRecords::Layer>(layers, graph));
    std::vector<uint32_t> inputs, outputs;
    TRY(ReadIndexes("inputs", inputs));
    TRY(ReadIndexes("outputs", outputs));
    graph.SetInputs(std::move(inputs));
    graph.SetOutputs(std::move(outputs));
    return {};
  }
  uint64_t offset() const { return in_.offset(); }
  tl::unexpected<Error> Bad(std::string_view message) const {
    return in_.Bad("TMAI_TABLE", in_.offset(), message);
  }

 private:
  // A count of things that take at least `least_bytes` each.
  Result<uint32_t> Count(std::string_view field, uint64_t most, uint64_t least_bytes) {
    TRY_ASSIGN(const uint32_t count, in_.Number<uint32_t>(field));
    if (count > most) return Bad(fmt::format("{} is {}, the most is {}", field, count, most));
    if (count * least_bytes > in_.left()) {
      return Bad(
          fmt::format("{} is {}, more than the rest of the table has room for", field, count));
    }
    return count;
  }

  Result<std::string> Name(std::string_view field, bool may_be_empty = false) {
    TRY_ASSIGN(const uint32_t size, Count(field, kMaxTensorNameBytes, 1));
    TRY_ASSIGN(const std::span<const std::byte> bytes, in_.Bytes(field, size));
    const std::string_view name = AsText(bytes);
    if ((name.empty() && !may_be_empty) || !IsPrintable(name)) {
      return Bad(fmt::format("the {} '{}' is empty or no printable UTF-8", field, Shown(name)));
    }
    return std::string(name);
  }

  template <typename T>
  Status Numbers(std::string_view field, uint64_t most, std::vector<T>& out) {
    TRY_ASSIGN(const uint32_t count, Count(field, most, sizeof(T)));
    out.resize(count);
    for (T& number : out) {
      TRY_ASSIGN(number, in_.Number<T>(field));
    }
    return {};
  }
  Status ReadIndexes(std::string_view field, std::vector<uint32_t>& out) {
    return Numbers(field, kMaxOperands, out);
  }

  Status ReadTensor() {
    TensorInfo tensor{{}, DType::kF32, 0, {1, 1, 1, 1}, 0, 0, 0};
    TRY_ASSIGN(tensor.name, Name("tensor name"));
    TRY_ASSIGN(const uint32_t type, in_.Number<uint32_t>("tensor type"));
    const std::optional<DType> known = TypeFromId(type);
    if (!known) {
      return in_.Bad("TMAI_TENSOR_TYPE", in_.offset(),
                     fmt::format("{}: tensors of type {} are not supported", tensor.name, type),
                     ErrorCode::kUnsupported);
    }
    tensor.type = *known;
    TRY_ASSIGN(tensor.n_dims, in_.Number<uint32_t>("number of dimensions"));
    if (tensor.n_dims == 0 || tensor.n_dims > kMaxTensorDims) {
      return Bad(fmt::format("{}: {} dimensions, expected 1 to {}", tensor.name, tensor.n_dims,
                             kMaxTensorDims));
    }
    for (uint32_t i = 0; i < tensor.n_dims; ++i) {
      TRY_ASSIGN(tensor.dims[i], in_.Number<uint64_t>("dimension"));
    }
    TRY_ASSIGN(tensor.offset, in_.Number<uint64_t>("tensor offset"));
    TRY_ASSIGN(tensor.bytes, in_.Number<uint64_t>("tensor size"));
    out_.tensors.push_back(std::move(tensor));
    return {};
  }

  template <typename Record>
  Status ReadRecords(uint32_t count, PackedGraph& graph) {
    for (uint32_t i = 0; i < count; ++i) {
      Record record;
      TRY(Read(record));
      graph.Add(record);
      if (graph.bytes() > PackedGraph::kMostBytes) return Bad("the graph is too large");
    }
    return {};
  }

  Status Read(GraphRecords::Value& value) {
    TRY_ASSIGN(value.name, Name("value name"));
    return Numbers("shape", kMaxValueDims, value.shape);
  }

  Status Read(GraphRecords::Op& op) {
    TRY_ASSIGN(op.name, Name("op name"));
    TRY_ASSIGN(op.kind, Name("op kind"));
    TRY_ASSIGN(const uint32_t attributes, Count("attribute count", kMaxAttributes, 4 + 1));
    op.attributes.reserve(attributes);
    for (uint32_t i = 0; i < attributes; ++i) {
      auto& [name, value] = op.attributes.emplace_back();
      TRY_ASSIGN(name, Name("attribute name"));
      TRY(ReadAttribute(value));
    }
    TRY(ReadIndexes("operands", op.ins));
    TRY(ReadIndexes("results", op.outs));
    return ReadIndexes("weights", op.weights);
  }

  Status ReadAttribute(GraphRecords::Attribute& value) {
    TRY_ASSIGN(const uint8_t type, in_.Number<uint8_t>("attribute type"));
    switch (type) {
      case 0: {
        TRY_ASSIGN(value, in_.Number<int64_t>("attribute"));
        return {};
      }
      case 1: {
        TRY_ASSIGN(value, in_.Number<double>("attribute"));
        return {};
      }
      case 2:
        return Numbers("attribute", kMaxAttributeItems, value.emplace<std::vector<int64_t>>());
      case 3: {
        TRY_ASSIGN(value, Name("attribute", true));
        return {};
      }
      default:
        return Bad(fmt::format("attribute type {} does not exist", type));
    }
  }

  Status Read(GraphRecords::Layer& layer) {
    TRY_ASSIGN(layer.name, Name("layer name"));
    TRY_ASSIGN(const uint8_t role, in_.Number<uint8_t>("layer role"));
    if (role > static_cast<uint8_t>(LayerRole::kConv)) {
      return Bad(fmt::format("{}: role {} does not exist", layer.name, role));
    }
    layer.role = static_cast<LayerRole>(role);
    TRY_ASSIGN(layer.first_op, in_.Number<uint32_t>("first op"));
    TRY_ASSIGN(layer.op_count, in_.Number<uint32_t>("op count"));
    TRY_ASSIGN(layer.first_tensor, in_.Number<uint32_t>("first tensor"));
    TRY_ASSIGN(layer.tensor_count, in_.Number<uint32_t>("tensor count"));
    TRY(ReadIndexes("operands", layer.operands));
    TRY_ASSIGN(layer.output, in_.Number<uint32_t>("output"));
    return {};
  }

  GgufInput in_;
  ModelFile& out_;
};

}  // namespace

std::vector<std::byte> EncodeTmaiDirectory(std::span<const TensorInfo> tensors,
                                           const std::optional<GraphRecords>& graph) {
  std::vector<std::byte> out;
  PutField(out, static_cast<uint32_t>(tensors.size()));
  PutField(out, static_cast<uint32_t>(graph ? graph->values.size() : 0));
  PutField(out, static_cast<uint32_t>(graph ? graph->ops.size() : 0));
  PutField(out, static_cast<uint32_t>(graph ? graph->layers.size() : 0));
  PutField(out, static_cast<uint8_t>(graph.has_value()));
  for (const TensorInfo& tensor : tensors) {
    PutText<uint32_t>(out, tensor.name);
    PutField(out, IdOf(tensor.type));
    PutField(out, tensor.n_dims);
    PutBytes(out, std::as_bytes(std::span(tensor.dims).first(tensor.n_dims)));
    PutField(out, tensor.offset);
    PutField(out, tensor.bytes);
  }
  if (!graph) return out;
  for (const GraphRecords::Value& value : graph->values) PutRecord(out, value);
  for (const GraphRecords::Op& op : graph->ops) PutRecord(out, op);
  for (const GraphRecords::Layer& layer : graph->layers) PutRecord(out, layer);
  PutIndexes(out, graph->inputs);
  PutIndexes(out, graph->outputs);
  return out;
}

Status ReadTmaiDirectory(const ByteSource& source, uint64_t begin, uint64_t end, ModelFile& out) {
  const FrontSource front(source, end);
  DirectoryReader reader(front, begin, out);
  if (Status read = reader.Read(); !read) {
    if (read.error().key == "GGUF_TRUNCATED") read.error().key = "TMAI_TABLE";
    return read;
  }
  if (reader.offset() != end) return reader.Bad("the table is longer than what it holds");
  return {};
}

}  // namespace tinyai
