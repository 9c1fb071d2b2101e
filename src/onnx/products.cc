#include <algorithm>

#include "onnx/ops.h"

namespace tinyai {
namespace {

// The sizes of a node's window, from kernel_shape or else from its weights' shape.
Result<Dims> WindowSizes(Importer& in, const OnnxNode& node, const Dims& weights) {
  Dims sizes(weights.begin() + std::min<ptrdiff_t>(2, std::ssize(weights)), weights.end());
  const auto given = NodeAttributes(node).Integers("kernel_shape");
  if (given && !std::ranges::equal(*given, sizes, [](int64_t a, uint64_t b) {
        return a >= 0 && static_cast<uint64_t>(a) == b;
      })) {
    return in.Bad("kernel_shape is not that of its weights");
  }
  return sizes;
}

Status NeedOneSample(Importer& in, const Dims& dims) {
  if (dims.size() < 3 || dims[0] == 1) return {};
  return in.Unsupported("its operand is a batch; export the model with a batch of 1");
}

// What convolutions have in common: their operand, weights' shape and window.
struct ConvParts {
  Flow x;
  Dims dims, weights;
  op::Window window;
  uint64_t groups = 1;
};
Result<ConvParts> PartsOf(Importer& in, const OnnxNode& node) {
  ConvParts out;
  TRY_ASSIGN(out.x, in.FlowIn(node, 0));
  TRY_ASSIGN(const Known* const weights, in.In(node, 1));
  out.dims = out.x.dims();
  out.weights = Importer::DimsOf(*weights);
  TRY(NeedOneSample(in, out.dims));
  if (out.dims.size() < 3 || out.dims.size() > 4 || out.weights.size() != out.dims.size()) {
    return in.Unsupported("convolutions over one or two axes are known");
  }
  TRY_ASSIGN(const Dims sizes, WindowSizes(in, node, out.weights));
  TRY_ASSIGN(out.window, WindowOf(in, node, out.dims, sizes));
  const int64_t groups = NodeAttributes(node).Integer("group", 1);
  if (groups < 1 || groups > UINT32_MAX || out.weights[0] == 0 || out.weights[1] == 0 ||
      Product(out.weights) == 0) {
    return in.Bad("its groups or weights are none");
  }
  out.groups = static_cast<uint64_t>(groups);
  return out;
}

// Where a value of an op of ours is what the node's would be, batch and all.
Dims WithBatch(const Graph& graph, ValueId id) {
  Dims dims = graph.value(id).shape;
  dims.insert(dims.begin(), 1);
  return dims;
}

// A sum right behind a product is its bias: then the sum's node is done, too.
struct Bias {
  const OnnxNode* end;
  std::optional<WeightId> weight;
};
Result<Bias> BiasBehind(Importer& in, const OnnxNode& node, uint64_t outputs) {
  const auto next = in.FollowedBy(node.outputs[0], "Add");
  if (!next || next->constant->size() != outputs || next->constant->dims.empty() ||
      next->constant->dims.back() != outputs) {
    return Bias{&node, {}};
  }
  const size_t other = next->node->inputs[0] == node.outputs[0] ? 1 : 0;
  TRY_ASSIGN(const WeightId weight, in.VectorIn(*next->node, other, outputs));
  in.MarkDone(*next->node);
  return Bias{next->node, weight};
}

}  // namespace

Result<op::Window> WindowOf(Importer& in, const OnnxNode& node, const Dims& operand,
                            std::span<const uint64_t> size) {
  const NodeAttributes attributes(node);
  const size_t axes = size.size();
  if (axes == 0 || axes > 2 || operand.size() != axes + 2) {
    return in.Unsupported("windows over one or two axes are known");
  }
  const auto strides = attributes.Integers("strides"), dilations = attributes.Integers("dilations"),
             pads = attributes.Integers("pads");
  const std::string_view automatic = attributes.Text("auto_pad", "NOTSET");
  if ((strides && strides->size() != axes) || (dilations && dilations->size() != axes) ||
      (pads && pads->size() != 2 * axes)) {
    return in.Bad("its strides, dilations or pads are not as many as its axes");
  }
  constexpr int64_t kMost = 1 << 14;
  op::Window window;
  for (size_t i = 0; i < axes; ++i) {
    const size_t to = i + (2 - axes);  // of one axis, the second is it
    const int64_t stride = strides ? (*strides)[i] : 1, dilation = dilations ? (*dilations)[i] : 1;
    int64_t begin = pads ? (*pads)[i] : 0, end = pads ? (*pads)[axes + i] : 0;
    if (size[i] == 0 || size[i] > kMost || stride < 1 || stride > kMost || dilation < 1 ||
        dilation > kMost) {
      return in.Bad("its window is none");
    }
    if (automatic == "SAME_UPPER" || automatic == "SAME_LOWER") {
      if (node.op == "ConvTranspose") return in.Unsupported("auto_pad of transposed convolutions");
      const auto in_size = static_cast<int64_t>(operand[2 + i]);
      const int64_t reach = (static_cast<int64_t>(size[i]) - 1) * dilation + 1;
      const int64_t outs = (in_size + stride - 1) / stride;
      const int64_t all = std::max<int64_t>((outs - 1) * stride + reach - in_size, 0);
      begin = automatic == "SAME_UPPER" ? all / 2 : all - all / 2;
      end = all - begin;
    } else if (automatic != "NOTSET" && automatic != "VALID") {
      return in.Bad("there is no such auto_pad");
    } else if (automatic == "VALID") {
      begin = end = 0;
    }
    if (begin < 0 || end < 0 || begin > kMost || end > kMost) {
      return in.Unsupported("pads from 0 to 2^14 are known");
    }
    window.size[to] = static_cast<uint32_t>(size[i]);
    window.stride[to] = static_cast<uint32_t>(stride);
    window.dilation[to] = static_cast<uint32_t>(dilation);
    window.pad_begin[to] = static_cast<uint32_t>(begin);
    window.pad_end[to] = static_cast<uint32_t>(end);
  }
  return window;
}

Status ImportConv(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const ConvParts conv, PartsOf(in, node));
  TRY_ASSIGN(const ValueId x, in.Sample(conv.x));
  TRY_ASSIGN(const WeightId matrix, in.RowsIn(node, 1, conv.weights[0]));
  std::vector<WeightId> weights = {matrix};
  if (in.Has(node, 2)) {
    TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, 2, conv.weights[0]));
  }
  TRY_ASSIGN(const ValueId out, in.Emit(op::Conv{conv.window, static_cast<uint32_t>(conv.groups)},
                                        {x}, std::move(weights)));
  in.Set(node, 0, Importer::Plain(out, WithBatch(in.graph(), out)));
  return {};
}

// Weights are [inputs, outputs / groups, window] there; here a row for each output.
Status ImportConvTranspose(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const ConvParts conv, PartsOf(in, node));
  const NodeAttributes attributes(node);
  if (attributes.Has("output_shape")) return in.Unsupported("output_shape; export with pads");
  op::ConvTranspose kind{conv.window, static_cast<uint32_t>(conv.groups), {0, 0}};
  const size_t axes = conv.dims.size() - 2;
  if (const auto more = attributes.Integers("output_padding")) {
    if (more->size() != axes) return in.Bad("output_padding is not as long as its axes");
    for (size_t i = 0; i < axes; ++i) {
      if ((*more)[i] < 0 || (*more)[i] > UINT16_MAX) return in.Bad("output_padding is none");
      kind.more[i + 2 - axes] = static_cast<uint32_t>((*more)[i]);
    }
  }
  if (conv.weights[0] % conv.groups != 0) return in.Bad("its groups do not divide its channels");
  const uint64_t inputs = conv.weights[0] / conv.groups, outputs = conv.weights[1];
  const uint64_t taps = Product(conv.weights) / conv.weights[0] / conv.weights[1];
  const WeightRecipe layout{.rows = outputs * conv.groups,
                            .cols = inputs * taps,
                            .chunks = inputs,
                            .length = taps,
                            .stride = outputs};
  TRY_ASSIGN(const WeightId matrix, in.LaidOut(node, 1, layout));
  std::vector<WeightId> weights = {matrix};
  if (in.Has(node, 2)) {
    TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, 2, outputs * conv.groups));
  }
  TRY_ASSIGN(const ValueId x, in.Sample(conv.x));
  TRY_ASSIGN(const ValueId out, in.Emit(kind, {x}, std::move(weights)));
  in.Set(node, 0, Importer::Plain(out, WithBatch(in.graph(), out)));
  return {};
}

// alpha a b + beta c, a and b perhaps turned.
Status ImportGemm(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(Flow a, in.FlowIn(node, 0));
  if (a.split.size() != 2) return in.Bad("its first operand is no matrix");
  if (attributes.Integer("transA", 0) != 0) a = Importer::Permuted(a, std::array{1u, 0u});
  const float alpha = attributes.Float("alpha", 1), beta = attributes.Float("beta", 1);
  TRY_ASSIGN(const WeightId matrix,
             in.MatrixIn(node, 1, attributes.Integer("transB", 0) != 0, alpha));
  const uint64_t outputs = in.graph().weight(matrix).rows;
  std::vector<WeightId> weights = {matrix};
  bool added = !in.Has(node, 2);
  if (!added && beta == 1) {
    TRY_ASSIGN(const Known* const c, in.In(node, 2));
    const Dims dims = Importer::DimsOf(*c);
    if (in.IsConstant(node, 2) && !dims.empty() && dims.back() == outputs &&
        Product(dims) == outputs) {
      TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, 2, outputs));
      added = true;
    }
  }
  TRY_ASSIGN(const ValueId x, in.Sample(a));
  TRY_ASSIGN(const ValueId out, in.Emit(op::MatMul{}, {x}, std::move(weights)));
  Flow result = Importer::Plain(out, {a.dims()[0], outputs});
  if (!added) {
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, 2));
    Constant scaled{.dims = constant->dims, .floats = FloatsOf(*constant, constant->dims)};
    for (float& number : scaled.floats) number *= beta;
    TRY_ASSIGN(result, WithConstant(in, result, scaled, true));
  }
  in.Set(node, 0, std::move(result));
  return {};
}

Status ImportMatMul(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const a, in.In(node, 0));
  TRY_ASSIGN(const Known* const b, in.In(node, 1));
  if (std::holds_alternative<Scores>(*a)) return ImportMixed(in, node);
  const bool left = in.IsConstant(node, 0);  // a w^T, turned: (w a^T)^T
  if (!left && !in.IsConstant(node, 1)) return ImportScores(in, node);
  TRY_ASSIGN(Flow flow, in.FlowOf(left ? *b : *a));
  Dims dims = flow.dims();
  std::vector<uint32_t> order(dims.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  if (left) {
    if (dims.size() < 2) return in.Unsupported("a matrix times a vector that is computed");
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    flow = Importer::Permuted(flow, order);
    dims = flow.dims();
  }
  if (dims.empty()) return in.Bad("its first operand is a single number");
  const bool vector = Importer::DimsOf(left ? *a : *b).size() == 1;
  const float scale = std::exchange(flow.scale, 1.0F);
  TRY_ASSIGN(const WeightId matrix, in.MatrixIn(node, left ? 0 : 1, left));
  std::vector<WeightId> weights = {matrix};
  const uint64_t outputs = in.graph().weight(matrix).rows;
  Bias bias{&node, {}};
  if (!left && !vector && scale == 1) {
    TRY_ASSIGN(bias, BiasBehind(in, node, outputs));
  }
  if (bias.weight) weights.push_back(*bias.weight);
  TRY_ASSIGN(const ValueId x, in.Sample(flow));
  TRY_ASSIGN(const ValueId out, in.Emit(op::MatMul{}, {x}, std::move(weights)));
  dims.back() = outputs;
  if (vector) dims.pop_back();
  Flow result = Importer::Plain(out, std::move(dims));
  result.scale = scale;
  if (left) result = Importer::Permuted(std::move(result), order);
  in.Set(*bias.end, 0, std::move(result));
  return {};
}

}  // namespace tinyai
