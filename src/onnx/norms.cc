#include <algorithm>

#include "onnx/ops.h"

namespace tinyai {
namespace {

// [1, C, ..]: what norms by channel and pools work on.
Result<ValueId> Map(Importer& in, const Flow& flow) {
  const Dims dims = flow.dims();
  if (dims.size() >= 2 && dims[0] == 1) return in.Sample(flow);
  return in.Unsupported("its operand is no batch of one; export the model with a batch of 1");
}

// A window that reaches over the end, where the last positions count too.
Status ReachOver(Importer& in, const OnnxNode& node, const Dims& dims, op::Window& window) {
  const size_t axes = dims.size() - 2;
  for (size_t i = 0; i < axes; ++i) {
    const size_t to = i + 2 - axes;
    const uint64_t reach = uint64_t{window.size[to] - 1} * window.dilation[to] + 1;
    const uint64_t padded = dims[2 + i] + window.pad_begin[to] + window.pad_end[to];
    if (padded < reach) return in.Bad("its window does not fit");
    uint64_t outs = CeilDiv(padded - reach, window.stride[to]) + 1;
    // None begins in the padding behind.
    if ((outs - 1) * window.stride[to] >= dims[2 + i] + window.pad_begin[to]) --outs;
    const uint64_t needed = (outs - 1) * window.stride[to] + reach;
    if (needed <= padded) continue;
    const bool counted = NodeAttributes(node).Integer("count_include_pad", 0) != 0;
    if (counted) return in.Unsupported("ceil_mode where padding is counted");
    window.pad_end[to] += static_cast<uint32_t>(needed - padded);
  }
  return {};
}

}  // namespace

Status ImportBatchNorm(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  if (attributes.Integer("training_mode", 0) != 0) return in.Unsupported("training_mode");
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const ValueId x, Map(in, flow));
  std::vector<WeightId> weights;
  for (size_t i = 1; i <= 4; ++i) {
    TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, i, flow.dims()[1]));
  }
  TRY_ASSIGN(const ValueId out,
             in.Emit(op::BatchNorm{attributes.Float("epsilon", 1e-5F)}, {x}, std::move(weights)));
  in.Set(node, 0, Importer::Plain(out, flow.dims()));
  return {};
}

Status ImportInstanceNorm(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const ValueId x, Map(in, flow));
  const uint64_t channels = flow.dims()[1];
  if (channels > UINT32_MAX) return in.Bad("it has too many channels");
  TRY_ASSIGN(const WeightId scale, in.VectorIn(node, 1, channels));
  TRY_ASSIGN(const WeightId shift, in.VectorIn(node, 2, channels));
  const op::GroupNorm norm{static_cast<uint32_t>(channels),
                           NodeAttributes(node).Float("epsilon", 1e-5F)};
  TRY_ASSIGN(const ValueId out, in.Emit(norm, {x}, {scale, shift}));
  in.Set(node, 0, Importer::Plain(out, flow.dims()));
  return {};
}

Status ImportGroupNorm(Importer& in, const OnnxNode& node) {
  constexpr uint64_t kByChannel = 21;  // before, scale and bias were of the groups
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const ValueId x, Map(in, flow));
  const uint64_t channels = flow.dims()[1];
  const int64_t groups = attributes.Integer("num_groups", 0);
  if (groups < 1 || channels % static_cast<uint64_t>(groups) != 0) {
    return in.Bad("num_groups does not divide its channels");
  }
  std::vector<WeightId> weights;
  for (size_t i = 1; i <= 2; ++i) {
    if (in.opset() >= kByChannel) {
      TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, i, channels));
      continue;
    }
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, i));
    if (constant->size() != static_cast<uint64_t>(groups))
      return in.Bad("its scale is not by group");
    const Constant by_group{.dims = {static_cast<uint64_t>(groups), 1},
                            .floats = FloatsOf(*constant, constant->dims)};
    const Dims all = {static_cast<uint64_t>(groups), channels / static_cast<uint64_t>(groups)};
    TRY(in.Spend(all));
    TRY_ASSIGN(weights.emplace_back(),
               in.AddVector(FloatsOf(by_group, all), i == 1 ? "scale" : "shift"));
  }
  const op::GroupNorm norm{static_cast<uint32_t>(groups), attributes.Float("epsilon", 1e-5F)};
  TRY_ASSIGN(const ValueId out, in.Emit(norm, {x}, std::move(weights)));
  in.Set(node, 0, Importer::Plain(out, flow.dims()));
  return {};
}

// Over the axes from `axis` on.
Status ImportLayerNorm(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  const Dims dims = flow.dims();
  const auto axis = AxisOf(attributes.Integer("axis", -1), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  if (in.IsUsed(node, 1) || in.IsUsed(node, 2))
    return in.Unsupported("its mean or deviation is used");
  Shape shape = Importer::SampleShape(dims);
  uint64_t last = dims.back();
  for (size_t i = *axis; i + 1 < dims.size(); ++i) {
    last *= dims[i];
    shape = {Product(dims) / last, last};
  }
  TRY_ASSIGN(const ValueId x, in.As(flow, shape));
  TRY_ASSIGN(const WeightId scale, in.VectorIn(node, 1, last));
  std::vector<WeightId> weights = {scale};
  const float epsilon = attributes.Float("epsilon", 1e-5F);
  OpKind kind = op::LayerNorm{epsilon};
  if (node.op == "RMSNormalization") {
    kind = op::RmsNorm{epsilon, last};
  } else if (in.Has(node, 2)) {
    TRY_ASSIGN(weights.emplace_back(), in.VectorIn(node, 2, last));
  }
  TRY_ASSIGN(const ValueId out, in.Emit(kind, {x}, std::move(weights)));
  in.Set(node, 0, Importer::Plain(out, dims));
  return {};
}

Status ImportPool(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  const Dims dims = flow.dims();
  if (in.IsUsed(node, 1)) return in.Unsupported("its places are used");
  const auto sizes = attributes.Integers("kernel_shape");
  if (!sizes || std::ranges::any_of(*sizes, [](int64_t size) { return size < 1; })) {
    return in.Bad("it has no kernel_shape");
  }
  const Dims window_sizes(sizes->begin(), sizes->end());
  op::Pool pool{node.op == "MaxPool" ? op::PoolKind::kMax : op::PoolKind::kAverage, {}, false};
  TRY_ASSIGN(pool.window, WindowOf(in, node, dims, window_sizes));
  pool.count_padding = attributes.Integer("count_include_pad", 0) != 0;
  if (attributes.Integer("ceil_mode", 0) != 0) TRY(ReachOver(in, node, dims, pool.window));
  TRY_ASSIGN(const ValueId x, Map(in, flow));
  TRY_ASSIGN(const ValueId out, in.Emit(pool, {x}));
  Dims out_dims = in.graph().value(out).shape;
  out_dims.insert(out_dims.begin(), 1);
  in.Set(node, 0, Importer::Plain(out, std::move(out_dims)));
  return {};
}

Status ImportGlobalPool(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  Dims dims = flow.dims();
  TRY_ASSIGN(const ValueId x, Map(in, flow));
  const bool max = node.op == "GlobalMaxPool";
  TRY_ASSIGN(const ValueId out,
             in.Emit(op::GlobalPool{max ? op::PoolKind::kMax : op::PoolKind::kAverage}, {x}));
  std::fill(dims.begin() + 2, dims.end(), 1);
  in.Set(node, 0, Importer::Plain(out, std::move(dims)));
  return {};
}

namespace {

// The axes that go, as marks; all where none are named.
Result<std::vector<bool>> ReducedAxes(Importer& in, const OnnxNode& node, size_t axes) {
  std::optional<std::vector<int64_t>> list = NodeAttributes(node).Integers("axes");
  if (!list) {
    TRY_ASSIGN(list, in.IntegersIn(node, 1));
  }
  if (!list || list->empty()) {
    const bool none = list && NodeAttributes(node).Integer("noop_with_empty_axes", 0) != 0;
    return std::vector<bool>(axes, !none);
  }
  std::vector<bool> goes(axes, false);
  for (const int64_t item : *list) {
    const auto axis = AxisOf(item, axes);
    if (!axis) return in.Bad("there is no such axis");
    goes[*axis] = true;
  }
  return goes;
}

// Means that norms begin with are kept as parts of them.
std::optional<Part> PartOfNorm(const OnnxNode& node, const Known& known,
                               const std::vector<bool>& goes, const Dims& reduced) {
  const bool last_alone = !goes.empty() && goes.back() && std::ranges::count(goes, true) == 1;
  if (node.op != "ReduceMean" || !last_alone || reduced.size() != goes.size()) return {};
  if (const auto* const flow = std::get_if<Flow>(&known)) {
    return Part{.kind = Part::Kind::kMean, .of = *flow, .dims = reduced};
  }
  const auto* const part = std::get_if<Part>(&known);
  if (part == nullptr || part->kind != Part::Kind::kSquared) return {};
  Part out = *part;
  out.kind = Part::Kind::kVariance;
  out.dims = reduced;
  return out;
}

}  // namespace

Status ImportReduce(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  const Dims dims = Importer::DimsOf(*known);
  TRY_ASSIGN(const std::vector<bool> goes, ReducedAxes(in, node, dims.size()));
  const bool keep = NodeAttributes(node).Integer("keepdims", 1) != 0;
  Dims out_dims;
  std::vector<uint32_t> kept, gone;
  for (uint32_t i = 0; i < dims.size(); ++i) {
    if (!goes[i]) out_dims.push_back(dims[i]);
    if (goes[i] && keep) out_dims.push_back(1);
    if (dims[i] != 1) (goes[i] ? gone : kept).push_back(i);
  }
  if (auto part = PartOfNorm(node, *known, goes, out_dims)) {
    in.Set(node, 0, *std::move(part));
    return {};
  }
  TRY_ASSIGN(Flow flow, in.FlowOf(*known));
  if (gone.empty()) {
    TRY_ASSIGN(Flow out, Relabel(in, flow, out_dims));
    in.Set(node, 0, std::move(out));
    return {};
  }
  // [before, what goes, after]; where what goes lies apart, it is put behind.
  uint64_t before = 1, middle = 1, after = 1;
  for (const uint32_t axis : gone) middle *= dims[axis];
  const bool together = std::ranges::none_of(
      kept, [&](uint32_t axis) { return axis > gone.front() && axis < gone.back(); });
  if (together) {
    for (const uint32_t axis : kept) (axis < gone.front() ? before : after) *= dims[axis];
  } else {
    for (const uint32_t axis : kept) before *= dims[axis];
    std::vector<uint32_t> order = kept;
    for (uint32_t i = 0; i < dims.size(); ++i) {
      if (dims[i] == 1) order.push_back(i);
    }
    order.insert(order.end(), gone.begin(), gone.end());
    flow = Importer::Permuted(flow, order);
  }
  Shape shape = {middle};
  if (before != 1) shape.insert(shape.begin(), before);
  if (after != 1) shape.push_back(after);
  const auto kind = node.op == "ReduceSum"   ? op::ReduceKind::kSum
                    : node.op == "ReduceMax" ? op::ReduceKind::kMax
                    : node.op == "ReduceMin" ? op::ReduceKind::kMin
                                             : op::ReduceKind::kMean;
  TRY_ASSIGN(const ValueId x, in.As(flow, shape));
  TRY_ASSIGN(const ValueId out, in.Emit(op::Reduce{kind, {before != 1 ? 1u : 0u}, false}, {x}));
  in.Set(node, 0, Importer::Plain(out, std::move(out_dims)));
  return {};
}

}  // namespace tinyai
