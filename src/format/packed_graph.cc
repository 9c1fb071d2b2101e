#include "format/packed_graph.h"

#include <cstring>
#include <span>

#include "format/put_bytes.h"

namespace tinyai {
namespace {

void PutAttribute(std::vector<std::byte>& out, const GraphRecords::Attribute& value) {
  PutField(out, static_cast<uint8_t>(value.index()));
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    PutField(out, *integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    PutField(out, *number);
  } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
    PutField(out, static_cast<uint32_t>(integers->size()));
    PutBytes(out, std::as_bytes(std::span(*integers)));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    PutText<uint32_t>(out, *text);
  }
}

// Takes records apart that PutRecord has written here, so nothing is checked.
class Unpacker {
 public:
  explicit Unpacker(const std::byte* at) : at_(at) {}

  template <typename T>
  T Number() {
    T number;
    std::memcpy(&number, at_, sizeof(number));
    at_ += sizeof(number);
    return number;
  }
  template <typename T>
  std::vector<T> Numbers() {
    std::vector<T> numbers(Number<uint32_t>());
    if (!numbers.empty()) std::memcpy(numbers.data(), at_, numbers.size() * sizeof(T));
    at_ += numbers.size() * sizeof(T);
    return numbers;
  }
  std::string Text() {
    const auto size = Number<uint32_t>();
    std::string text(reinterpret_cast<const char*>(at_), size);
    at_ += size;
    return text;
  }
  GraphRecords::Attribute Attribute() {
    switch (Number<uint8_t>()) {
      case 0:
        return Number<int64_t>();
      case 1:
        return Number<double>();
      case 2:
        return Numbers<int64_t>();
      default:
        return Text();
    }
  }

 private:
  const std::byte* at_;
};

}  // namespace

void PutIndexes(std::vector<std::byte>& out, const std::vector<uint32_t>& indexes) {
  PutField(out, static_cast<uint32_t>(indexes.size()));
  PutBytes(out, std::as_bytes(std::span(indexes)));
}

void PutRecord(std::vector<std::byte>& out, const GraphRecords::Value& value) {
  PutText<uint32_t>(out, value.name);
  PutField(out, static_cast<uint32_t>(value.shape.size()));
  PutBytes(out, std::as_bytes(std::span(value.shape)));
}

void PutRecord(std::vector<std::byte>& out, const GraphRecords::Op& op) {
  PutText<uint32_t>(out, op.name);
  PutText<uint32_t>(out, op.kind);
  PutField(out, static_cast<uint32_t>(op.attributes.size()));
  for (const auto& [name, value] : op.attributes) {
    PutText<uint32_t>(out, name);
    PutAttribute(out, value);
  }
  PutIndexes(out, op.ins);
  PutIndexes(out, op.outs);
  PutIndexes(out, op.weights);
}

void PutRecord(std::vector<std::byte>& out, const GraphRecords::Layer& layer) {
  PutText<uint32_t>(out, layer.name);
  PutField(out, static_cast<uint8_t>(layer.role));
  PutField(out, layer.first_op);
  PutField(out, layer.op_count);
  PutField(out, layer.first_tensor);
  PutField(out, layer.tensor_count);
  PutIndexes(out, layer.operands);
  PutField(out, layer.output);
}

PackedGraph::PackedGraph(const GraphRecords& records)
    : inputs_(records.inputs), outputs_(records.outputs) {
  for (const GraphRecords::Value& value : records.values) Add(value);
  for (const GraphRecords::Op& op : records.ops) Add(op);
  for (const GraphRecords::Layer& layer : records.layers) Add(layer);
}

void PackedGraph::Add(const GraphRecords::Value& value) {
  values_.push_back(static_cast<uint32_t>(bytes_.size()));
  PutRecord(bytes_, value);
}

void PackedGraph::Add(const GraphRecords::Op& op) {
  ops_.push_back(static_cast<uint32_t>(bytes_.size()));
  PutRecord(bytes_, op);
}

void PackedGraph::Add(const GraphRecords::Layer& layer) {
  layers_.push_back(static_cast<uint32_t>(bytes_.size()));
  PutRecord(bytes_, layer);
}

GraphRecords::Value PackedGraph::value(size_t index) const {
  Unpacker in(bytes_.data() + values_[index]);
  GraphRecords::Value value;
  value.name = in.Text();
  value.shape = in.Numbers<uint64_t>();
  return value;
}

GraphRecords::Op PackedGraph::op(size_t index) const {
  Unpacker in(bytes_.data() + ops_[index]);
  GraphRecords::Op op;
  op.name = in.Text();
  op.kind = in.Text();
  op.attributes.resize(in.Number<uint32_t>());
  for (auto& [name, value] : op.attributes) {
    name = in.Text();
    value = in.Attribute();
  }
  op.ins = in.Numbers<uint32_t>();
  op.outs = in.Numbers<uint32_t>();
  op.weights = in.Numbers<uint32_t>();
  return op;
}

GraphRecords::Layer PackedGraph::layer(size_t index) const {
  Unpacker in(bytes_.data() + layers_[index]);
  GraphRecords::Layer layer;
  layer.name = in.Text();
  layer.role = static_cast<LayerRole>(in.Number<uint8_t>());
  layer.first_op = in.Number<uint32_t>();
  layer.op_count = in.Number<uint32_t>();
  layer.first_tensor = in.Number<uint32_t>();
  layer.tensor_count = in.Number<uint32_t>();
  layer.operands = in.Numbers<uint32_t>();
  layer.output = in.Number<uint32_t>();
  return layer;
}

GraphRecords PackedGraph::Unpack() const {
  GraphRecords out;
  for (size_t i = 0; i < value_count(); ++i) out.values.push_back(value(i));
  for (size_t i = 0; i < op_count(); ++i) out.ops.push_back(op(i));
  for (size_t i = 0; i < layer_count(); ++i) out.layers.push_back(layer(i));
  out.inputs = inputs_;
  out.outputs = outputs_;
  return out;
}

}  // namespace tinyai
