#include "graph/graph.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

namespace tinyai {

std::string_view Name(const OpKind& kind) {
  constexpr std::string_view kNames[] = {"embed",
                                         "rms_norm",
                                         "quantize",
                                         "dense",
                                         "rope",
                                         "store_kv",
                                         "cached_attention",
                                         "silu_mul",
                                         "add",
                                         "take_last",
                                         "input",
                                         "mul",
                                         "conv",
                                         "conv_transpose",
                                         "pool",
                                         "global_pool",
                                         "batch_norm",
                                         "layer_norm",
                                         "group_norm",
                                         "activation",
                                         "concat",
                                         "slice",
                                         "reshape",
                                         "transpose",
                                         "pad",
                                         "resize",
                                         "softmax",
                                         "reduce",
                                         "lookup",
                                         "attention",
                                         "recurrent",
                                         "paste",
                                         "spill",
                                         "fetch"};
  static_assert(std::size(kNames) == std::variant_size_v<OpKind>);
  return kNames[kind.index()];
}

// RmsNorm is not here: of a text model both sides of a norm have other readers.
bool WorksInPlace(const OpKind& kind) {
  const auto is = [&](auto... kinds) {
    return (std::holds_alternative<decltype(kinds)>(kind) || ...);
  };
  return is(op::Add{}, op::SiluMul{}, op::Rope{}, op::Mul{}, op::Activation{}, op::BatchNorm{},
            op::LayerNorm{}, op::GroupNorm{}, op::Softmax{}, op::Reshape{}, op::Paste{});
}

void Graph::EndLayer(std::string layer_name, LayerRole role, ValueId output) {
  Layer layer{.name = std::move(layer_name), .role = role, .output = output};
  if (!layers.empty()) layer.first_op = layers.back().first_op + layers.back().op_count;
  layer.op_count = static_cast<uint32_t>(ops.size()) - layer.first_op;
  std::unordered_set<size_t> known;  // operands so far, and what the layer makes itself
  for (size_t i = layer.first_op; i < ops.size(); ++i) {
    for (const ValueId in : ops[i].ins) {
      if (known.insert(Index(in)).second) layer.operands.push_back(in);
    }
    const bool given = std::holds_alternative<op::Input>(ops[i].kind);
    if (ops[i].out && !given) known.insert(Index(*ops[i].out));
  }
  layers.push_back(std::move(layer));
}

uint64_t Graph::PassBytes() const {
  std::vector<bool> read(weights.size());
  for (const Op& op : ops) {
    if (std::holds_alternative<op::Embed>(op.kind)) continue;
    for (const WeightId id : op.weights) read[Index(id)] = true;
  }
  uint64_t bytes = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (read[i]) bytes += weights[i].bytes;
  }
  return bytes;
}

}  // namespace tinyai
