#include <cmath>
#include <limits>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

constexpr double kClose = 1e-3;  // numbers of patterns are written with few digits

bool IsClose(double a, double b) { return std::abs(a - b) <= kClose * std::abs(b); }

// A bound that is an operand, or an attribute of older nodes.
Result<float> BoundOf(Importer& in, const OnnxNode& node, size_t input, std::string_view name,
                      float otherwise) {
  if (!in.Has(node, input)) return NodeAttributes(node).Float(name, otherwise);
  TRY_ASSIGN(const auto constant, in.ConstantIn(node, input));
  if (constant->size() != 1) return in.Bad("a bound is no single number");
  return static_cast<float>(constant->number(0));
}

Result<Flow> Plus(Importer& in, const Flow& flow, float number) {
  return WithConstant(in, flow, {.dims = {}, .floats = {number}}, true);
}

// min(max(x, low), high), by what we have: from 0 on.
Result<Flow> Clipped(Importer& in, Flow flow, float low, float high) {
  if (std::isnan(low) || std::isnan(high)) return in.Bad("a bound is no number");
  const bool bounded_below = low > std::numeric_limits<float>::lowest();
  const bool bounded_above = high < std::numeric_limits<float>::max();
  if (!bounded_below && !bounded_above) return flow;
  if (!bounded_below) {  // high - relu(high - x)
    flow.scale = -flow.scale;
    if (high != 0) {
      TRY_ASSIGN(flow, Plus(in, flow, high));
    }
    TRY_ASSIGN(flow, in.EmitActivation(flow, op::Function::kRelu));
    flow.scale = -1;
    if (high != 0) {
      TRY_ASSIGN(flow, Plus(in, flow, high));
    }
    return flow;
  }
  if (low != 0) {
    TRY_ASSIGN(flow, Plus(in, flow, -low));
  }
  TRY_ASSIGN(flow, bounded_above
                       ? in.EmitActivation(flow, op::Function::kClip, std::max(high - low, 0.0F))
                       : in.EmitActivation(flow, op::Function::kRelu));
  if (low != 0) {
    TRY_ASSIGN(flow, Plus(in, flow, low));
  }
  return flow;
}

}  // namespace

Status ImportActivation(Importer& in, const OnnxNode& node) {
  using Function = op::Function;
  const NodeAttributes attributes(node);
  Function function = Function::kRelu;
  float alpha = 0;
  if (node.op == "LeakyRelu") {
    function = Function::kLeakyRelu;
    alpha = attributes.Float("alpha", 0.01F);
  } else if (node.op == "Tanh") {
    function = Function::kTanh;
  } else if (node.op == "HardSwish") {
    function = Function::kHardSwish;
  } else if (node.op == "Gelu") {
    const bool tanh = attributes.Text("approximate", "none") == "tanh";
    function = tanh ? Function::kGeluTanh : Function::kGelu;
  } else if (node.op == "Swish") {
    if (attributes.Float("alpha", 1) != 1) return in.Unsupported("its alpha is not 1");
    function = Function::kSilu;
  }
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(Flow out, in.EmitActivation(flow, function, alpha));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportClip(Importer& in, const OnnxNode& node) {
  constexpr float kMost = std::numeric_limits<float>::max();
  TRY_ASSIGN(const float low, BoundOf(in, node, 1, "min", -kMost));
  TRY_ASSIGN(const float high, BoundOf(in, node, 2, "max", kMost));
  TRY_ASSIGN(Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(Flow out, Clipped(in, std::move(flow), low, high));
  in.Set(node, 0, std::move(out));
  return {};
}

// Only of x / sqrt(2), on the way to GELU.
Status ImportErf(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow flow, in.FlowIn(node, 0));
  if (!IsClose(flow.scale, std::sqrt(0.5))) {
    return in.Unsupported("the error function is only known in GELU, of x / sqrt(2)");
  }
  flow.scale = 1;
  in.Set(node, 0, Part{.kind = Part::Kind::kErf, .of = flow, .dims = flow.dims()});
  return {};
}

Status ImportGate(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow flow, in.FlowIn(node, 0));
  if (node.op == "Sigmoid") {
    in.Set(node, 0, Part{.kind = Part::Kind::kSigmoid, .of = flow, .dims = flow.dims()});
    return {};
  }
  const NodeAttributes attributes(node);
  const float alpha = attributes.Float("alpha", 0.2F), beta = attributes.Float("beta", 0.5F);
  if (IsClose(alpha, 1.0 / 6) && beta == 0.5F) {
    in.Set(node, 0, Part{.kind = Part::Kind::kHardSigmoid, .of = flow, .dims = flow.dims()});
    return {};
  }
  flow.scale *= alpha;
  if (beta != 0) {
    TRY_ASSIGN(flow, Plus(in, flow, beta));
  }
  TRY_ASSIGN(Flow out, in.EmitActivation(flow, op::Function::kClip, 1));
  in.Set(node, 0, std::move(out));
  return {};
}

// relu(x) - slope relu(-x).
Status ImportPRelu(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const auto slope, in.ConstantIn(node, 1));
  Flow minus = flow;
  minus.scale = -minus.scale;
  TRY_ASSIGN(const Flow positive, in.EmitActivation(flow, op::Function::kRelu));
  TRY_ASSIGN(Flow negative, in.EmitActivation(minus, op::Function::kRelu));
  TRY_ASSIGN(negative, WithConstant(in, negative, *slope, false));
  negative.scale = -negative.scale;
  TRY_ASSIGN(const ValueId x, in.Sample(positive));
  TRY_ASSIGN(const ValueId y, in.Sample(negative));
  TRY_ASSIGN(const ValueId out, in.Emit(op::Add{}, {x, y}));
  in.Set(node, 0, Importer::Plain(out, flow.dims()));
  return {};
}

Status ImportSoftmax(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  if (std::holds_alternative<Scores>(*known)) return ImportScoresWith(in, node);
  TRY_ASSIGN(const Flow flow, in.FlowOf(*known));
  const Dims dims = flow.dims();
  // Before 13, the axes from this one on counted as one.
  constexpr uint64_t kOneAxis = 13;
  const bool flat = in.opset() < kOneAxis;
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", flat ? 1 : -1), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  if (flat && *axis + 1 != dims.size()) {
    uint64_t rows = 1;
    for (uint32_t i = 0; i < *axis; ++i) rows *= dims[i];
    TRY_ASSIGN(const ValueId from, in.As(flow, {rows, Product(dims) / rows}));
    TRY_ASSIGN(const ValueId out, in.Emit(op::Softmax{1}, {from}));
    in.Set(node, 0, Importer::Plain(out, dims));
    return {};
  }
  TRY_ASSIGN(const Along along, AlongAxis(in, flow, *axis));
  TRY_ASSIGN(const ValueId out, in.Emit(op::Softmax{along.axis}, {along.value}));
  in.Set(node, 0, Importer::Plain(out, dims));
  return {};
}

}  // namespace tinyai
