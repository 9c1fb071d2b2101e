#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "fmt/format.h"
#include "format/tmai_layout.h"

namespace tinyai {
namespace {

tl::unexpected<Error> Bad(std::string message) {
  return Fail(ErrorCode::kBadFile, "TMAI_TABLE", std::move(message));
}

Status CheckNamesUnique(std::span<const TensorInfo> tensors) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return tensors[a].name < tensors[b].name; });
  const auto found = std::adjacent_find(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].name == tensors[b].name;
  });
  if (found == order.end()) return {};
  return Bad(fmt::format("the tensor '{}' is there twice", tensors[*found].name));
}

// Several rows, each of as many bytes, fewer than it would take with its zeros.
bool HasSparseRows(const TensorInfo& tensor, uint64_t dense_bytes) {
  const uint64_t rows = tensor.dims[1] * tensor.dims[2] * tensor.dims[3];
  return rows > 1 && tensor.bytes != 0 && tensor.bytes < dense_bytes && tensor.bytes % rows == 0 &&
         tensor.bytes / rows <= kTmaiLongestSparseRow;
}

// Follows the graph in its order: what is known to be made, and by whom it may be used.
class GraphChecker {
 public:
  GraphChecker(const PackedGraph& graph, uint64_t tensors)
      : graph_(graph), tensors_(tensors), made_(graph.value_count(), false) {}

  Status Check() {
    for (const uint32_t input : graph_.inputs()) TRY(Make(input, "the inputs"));
    if (graph_.op_count() == 0) {
      for (size_t i = 0; i < graph_.layer_count(); ++i) {
        TRY(CheckLayerWithoutOps(graph_.layer(i)));
      }
    } else {
      TRY(CheckOps());
    }
    TRY(CheckLayerTensors());
    for (const uint32_t output : graph_.outputs()) TRY(Use(output, "the outputs"));
    return {};
  }

 private:
  Status InRange(uint64_t index, size_t count, std::string_view of, std::string_view by) const {
    if (index < count) return {};
    return Bad(fmt::format("{}: {} {} does not exist, there are {}", by, of, index, count));
  }
  Status Make(uint32_t value, std::string_view by) {
    TRY(InRange(value, made_.size(), "value", by));
    if (made_[value]) {
      return Bad(fmt::format("{}: the value '{}' is made twice", by, graph_.value(value).name));
    }
    made_[value] = true;
    return {};
  }
  Status Use(uint32_t value, std::string_view by) const {
    TRY(InRange(value, made_.size(), "value", by));
    if (made_[value]) return {};
    return Bad(fmt::format("{}: the value '{}' is not made before it is used: a cycle?", by,
                           graph_.value(value).name));
  }

  Status CheckOp(const GraphRecords::Op& op) {
    for (const uint32_t in : op.ins) TRY(Use(in, op.name));
    for (const uint32_t weight : op.weights) TRY(InRange(weight, tensors_, "tensor", op.name));
    for (const uint32_t out : op.outs) TRY(Make(out, op.name));
    for (size_t i = 0; i < op.attributes.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (op.attributes[i].first != op.attributes[j].first) continue;
        return Bad(
            fmt::format("{}: the attribute '{}' is there twice", op.name, op.attributes[i].first));
      }
    }
    return {};
  }

  // Layers, where there are any, share out the ops in order.
  Status CheckOps() {
    size_t at = 0;
    for (size_t i = 0; i < graph_.layer_count(); ++i) {
      const GraphRecords::Layer layer = graph_.layer(i);
      if (layer.first_op != at || layer.op_count == 0 || layer.op_count > graph_.op_count() - at) {
        return Bad(fmt::format("{}: ops {} and {} more do not follow those of the layer before",
                               layer.name, layer.first_op, layer.op_count));
      }
      for (const uint32_t operand : layer.operands) TRY(Use(operand, layer.name));
      for (const size_t end = at + layer.op_count; at < end; ++at) TRY(CheckOp(graph_.op(at)));
      TRY(Use(layer.output, layer.name));
    }
    if (graph_.layer_count() != 0 && at != graph_.op_count()) {
      return Bad(fmt::format("{} ops belong to no layer", graph_.op_count() - at));
    }
    for (; at < graph_.op_count(); ++at) TRY(CheckOp(graph_.op(at)));
    return {};
  }

  Status CheckLayerWithoutOps(const GraphRecords::Layer& layer) {
    if (layer.first_op != 0 || layer.op_count != 0) {
      return Bad(fmt::format("{}: ops that do not exist", layer.name));
    }
    for (const uint32_t operand : layer.operands) TRY(Use(operand, layer.name));
    return Make(layer.output, layer.name);
  }

  Status CheckLayerTensors() const {
    uint64_t at = 0;
    for (size_t i = 0; i < graph_.layer_count(); ++i) {
      const GraphRecords::Layer layer = graph_.layer(i);
      if (layer.first_tensor != at || layer.tensor_count > tensors_ - at) {
        return Bad(fmt::format("{}: tensors {} and {} more do not follow those of the layer before",
                               layer.name, layer.first_tensor, layer.tensor_count));
      }
      at += layer.tensor_count;
    }
    return {};
  }

  const PackedGraph& graph_;
  const uint64_t tensors_;
  std::vector<bool> made_;
};

}  // namespace

std::optional<uint64_t> DenseBytes(DType type, uint32_t n_dims,
                                   const std::array<uint64_t, 4>& dims) {
  if (n_dims == 0 || n_dims > dims.size()) return std::nullopt;
  uint64_t elements = 1;
  for (uint32_t i = 0; i < n_dims; ++i) {
    const std::optional<uint64_t> product = CheckedMul(elements, dims[i]);
    if (!product || *product == 0 || *product > uint64_t{INT64_MAX}) return std::nullopt;
    elements = *product;
  }
  const DTypeInfo& info = Info(type);
  if (dims[0] % info.block_elements != 0) return std::nullopt;
  const std::optional<uint64_t> bytes =
      CheckedMul(elements / info.block_elements, info.block_bytes);
  return bytes && *bytes <= uint64_t{INT64_MAX} ? bytes : std::nullopt;
}

bool IsSparse(const TensorInfo& tensor) {
  const std::optional<uint64_t> dense = DenseBytes(tensor.type, tensor.n_dims, tensor.dims);
  return dense && tensor.bytes < *dense;
}

Status CheckTmaiTensors(std::span<const TensorInfo> tensors, uint64_t data_begin,
                        uint64_t data_end) {
  uint64_t at = data_begin;
  for (const TensorInfo& tensor : tensors) {
    const std::optional<uint64_t> bytes = DenseBytes(tensor.type, tensor.n_dims, tensor.dims);
    if (!bytes || (*bytes != tensor.bytes && !HasSparseRows(tensor, *bytes))) {
      return Bad(fmt::format("{}: {} bytes are not what its shape and type ({}) take", tensor.name,
                             tensor.bytes, Name(tensor.type)));
    }
    if (tensor.offset % kTmaiTensorAlignment != 0 || tensor.offset < at ||
        tensor.offset - at >= kTmaiPage || tensor.offset > data_end ||
        tensor.bytes > data_end - tensor.offset) {
      return Bad(
          fmt::format("{}: {} bytes at byte {} do not follow the tensor before within the "
                      "data, which end at byte {}",
                      tensor.name, tensor.bytes, tensor.offset, data_end));
    }
    at = tensor.offset + tensor.bytes;
  }
  if (data_end - at >= kTmaiPage) return Bad("there are data that belong to no tensor");
  return CheckNamesUnique(tensors);
}

Status CheckGraphRecords(const PackedGraph& graph, uint64_t tensor_count) {
  return GraphChecker(graph, tensor_count).Check();
}

}  // namespace tinyai
