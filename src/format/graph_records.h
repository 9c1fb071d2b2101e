#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace tinyai {

// What a layer is for.
enum class LayerRole : uint8_t {
  kOther = 0,
  kEmbedding = 1,
  kAttention = 2,
  kFeedForward = 3,
  kOutput = 4,
  kNorm = 5,
  kConv = 6,
};
std::string_view Name(LayerRole role);  // "embedding", "attention", "ffn", "output", "norm", ..
std::optional<LayerRole> LayerRoleFromName(std::string_view name);

// A graph as a file holds it: plain data, names in place of kinds. Indexes are positions in the
// vectors here and in ModelFile::tensors. A reader has checked that they are in range, that every
// value is an input or written by one op, before it is read, and that the layers' ranges follow
// each other; kinds, attributes and shapes are checked by whoever makes a Graph of it.
struct GraphRecords {
  struct Value {
    std::string name;
    std::vector<uint64_t> shape;  // of one sample, outermost first: [C, H, W], [T, D], [D]
    bool operator==(const Value&) const = default;
  };
  using Attribute = std::variant<int64_t, double, std::vector<int64_t>, std::string>;
  struct Op {
    std::string name;
    std::string kind;                                           // "conv2d"
    std::vector<std::pair<std::string, Attribute>> attributes;  // names are unique
    std::vector<uint32_t> ins, outs;                            // values
    std::vector<uint32_t> weights;                              // tensors
    bool operator==(const Op&) const = default;
  };
  // A layer in the order of execution. Its tensors lie one after the other in the file, in a layer
  // file of ours from a page on; a tensor that several layers use belongs to the first of them.
  struct Layer {
    std::string name;
    LayerRole role = LayerRole::kOther;
    uint32_t first_op = 0, op_count = 0;
    uint32_t first_tensor = 0, tensor_count = 0;
    std::vector<uint32_t> operands;  // values that come from elsewhere
    uint32_t output = 0;             // value
    bool operator==(const Layer&) const = default;
  };

  std::vector<Value> values;
  std::vector<Op> ops;  // in an order that may be executed; none: `general.architecture` tells them
  std::vector<Layer> layers;
  std::vector<uint32_t> inputs, outputs;  // values
  bool operator==(const GraphRecords&) const = default;
};

}  // namespace tinyai
