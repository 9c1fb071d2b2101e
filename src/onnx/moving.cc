#include <algorithm>
#include <numeric>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

constexpr size_t kMostPieces = 256;  // of a Gather

bool InOrder(const Flow& flow) {
  uint32_t before = 0;
  for (const uint32_t axis : flow.order) {
    if (flow.split[axis] == 1) continue;
    if (axis < before) return false;
    before = axis;
  }
  return true;
}

Dims WithoutOnes(const Dims& dims) {
  Dims out;
  std::ranges::copy_if(dims, std::back_inserter(out), [](uint64_t size) { return size != 1; });
  return out;
}

// Axes that an attribute or, in newer nodes, an operand names.
Result<std::optional<std::vector<int64_t>>> ListOf(Importer& in, const OnnxNode& node,
                                                   std::string_view name, size_t input) {
  if (auto list = NodeAttributes(node).Integers(name)) return list;
  return in.IntegersIn(node, input);
}

Result<Dims> SqueezedDims(Importer& in, const OnnxNode& node, const Dims& dims) {
  TRY_ASSIGN(const auto axes, ListOf(in, node, "axes", 1));
  std::vector<bool> goes(dims.size(), false);
  if (!axes) {
    for (size_t i = 0; i < dims.size(); ++i) goes[i] = dims[i] == 1;
  } else {
    for (const int64_t item : *axes) {
      const auto axis = AxisOf(item, dims.size());
      if (!axis || dims[*axis] != 1) return in.Bad("it takes away an axis that is not 1");
      goes[*axis] = true;
    }
  }
  Dims out;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!goes[i]) out.push_back(dims[i]);
  }
  return out;
}

Result<Dims> UnsqueezedDims(Importer& in, const OnnxNode& node, const Dims& dims) {
  TRY_ASSIGN(const auto axes, ListOf(in, node, "axes", 1));
  if (!axes || axes->size() > 8) return in.Bad("it has no axes, or too many");
  std::vector<bool> is_new(dims.size() + axes->size(), false);
  for (const int64_t item : *axes) {
    const auto axis = AxisOf(item, is_new.size());
    if (!axis || is_new[*axis]) return in.Bad("there is no such axis");
    is_new[*axis] = true;
  }
  Dims out;
  size_t next = 0;
  for (const bool fresh : is_new) out.push_back(fresh ? 1 : dims[next++]);
  return out;
}

Result<Dims> TargetDims(Importer& in, const OnnxNode& node, const Dims& dims) {
  TRY_ASSIGN(const auto target, in.IntegersIn(node, 1));
  if (!target || target->size() > 8) return in.Bad("its shape is none");
  const bool zeros = NodeAttributes(node).Integer("allowzero", 0) != 0;
  Dims out;
  std::optional<size_t> open;
  uint64_t product = 1;
  for (size_t i = 0; i < target->size(); ++i) {
    int64_t size = (*target)[i];
    if (size == 0 && !zeros && i < dims.size()) size = static_cast<int64_t>(dims[i]);
    if (size == -1 && !open) {
      open = i;
      size = 1;
    }
    const auto next = CheckedMul(product, static_cast<uint64_t>(size));
    if (size < 0 || !next) return in.Bad("its shape is none");
    product = *next;
    out.push_back(static_cast<uint64_t>(size));
  }
  const uint64_t all = Product(dims);
  if (open) {
    if (product == 0 || all % product != 0) return in.Bad("its shape does not fit its operand");
    out[*open] = all / product;
  }
  return out;
}

// The value of one sample and its axes for a concatenation; `with_first`: along the first axis.
Shape PlaceShape(const Dims& dims, uint32_t axis) {
  return axis == 0 && dims.size() > 1 && dims[0] == 1 ? Shape(dims) : Importer::SampleShape(dims);
}

}  // namespace

Result<Dims> ReshapedDims(Importer& in, const OnnxNode& node, const Dims& dims) {
  Result<Dims> out = Dims();
  if (node.op == "Squeeze") {
    out = SqueezedDims(in, node, dims);
  } else if (node.op == "Unsqueeze") {
    out = UnsqueezedDims(in, node, dims);
  } else if (node.op == "Flatten") {
    const int64_t given = NodeAttributes(node).Integer("axis", 1);
    const auto axis = given == static_cast<int64_t>(dims.size())
                          ? std::optional<uint32_t>(static_cast<uint32_t>(given))
                          : AxisOf(given, dims.size());
    if (!axis) return in.Bad("there is no such axis");
    uint64_t rows = 1;
    for (uint32_t i = 0; i < *axis; ++i) rows *= dims[i];
    out = Dims{rows, rows == 0 ? 0 : Product(dims) / rows};
  } else {
    out = TargetDims(in, node, dims);
  }
  if (out && Product(*out) != Product(dims)) return in.Bad("its shape does not fit its operand");
  return out;
}

Result<Flow> Relabel(Importer& in, const Flow& flow, Dims dims) {
  const Dims old = flow.dims();
  if (old == dims) return flow;
  if (Product(old) != Product(dims)) return in.Bad("its operands do not fit");
  Flow out = Importer::Plain(flow.base, dims);
  out.scale = flow.scale;
  if (InOrder(flow)) return out;
  if (WithoutOnes(old) != WithoutOnes(dims)) {
    TRY_ASSIGN(const ValueId value, in.Sample(flow));
    return Importer::Plain(value, std::move(dims));
  }
  // The same axes but for those of 1, which are put behind.
  out.split = WithoutOnes(flow.split);
  std::vector<uint32_t> kept;
  for (const uint32_t axis : flow.order) {
    if (flow.split[axis] == 1) continue;
    kept.push_back(static_cast<uint32_t>(std::count_if(
        flow.split.begin(), flow.split.begin() + axis, [](uint64_t size) { return size != 1; })));
  }
  out.order.clear();
  size_t next = 0;
  for (const uint64_t size : dims) {
    if (size != 1) {
      out.order.push_back(kept[next++]);
    } else {
      out.order.push_back(static_cast<uint32_t>(out.split.size()));
      out.split.push_back(1);
    }
  }
  return out;
}

Result<Along> AlongAxis(Importer& in, const Flow& flow, uint32_t axis) {
  const Dims dims = flow.dims();
  const Shape shape = PlaceShape(dims, axis);
  TRY_ASSIGN(const ValueId value, in.As(flow, shape));
  return Along{value, shape.size() < dims.size() ? axis - 1 : axis};
}

Result<Flow> SliceOf(Importer& in, const Flow& flow, uint32_t axis, uint64_t begin, uint64_t end) {
  Dims dims = flow.dims();
  if (begin == 0 && end == dims[axis]) return flow;
  if (begin >= end || end > dims[axis]) return in.Unsupported("a part without elements");
  Flow whole = flow;
  whole.scale = 1;
  TRY_ASSIGN(const Along along, AlongAxis(in, whole, axis));
  TRY_ASSIGN(const ValueId out, in.Emit(op::Slice{along.axis, begin, end}, {along.value}));
  dims[axis] = end - begin;
  Flow part = Importer::Plain(out, std::move(dims));
  part.scale = flow.scale;
  return part;
}

Status ImportSame(Importer& in, const OnnxNode& node) {
  if (node.op == "Dropout" && in.IsUsed(node, 1)) return in.Unsupported("its mask is used");
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  if (node.op == "Cast") {
    const auto to = static_cast<OnnxType>(NodeAttributes(node).Integer("to", 1));
    const bool is_float = to == OnnxType::kFloat || to == OnnxType::kF16 || to == OnnxType::kBF16 ||
                          to == OnnxType::kF64;
    const auto* const flow = std::get_if<Flow>(known);
    const bool is_input = flow != nullptr &&
                          std::holds_alternative<op::Input>(in.graph().ops[Index(flow->base)].kind);
    if (!is_float && !is_input) return in.Unsupported("computed values are floats");
  }
  in.Set(node, 0, *known);
  return {};
}

Status ImportReshape(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(Dims dims, ReshapedDims(in, node, flow.dims()));
  TRY_ASSIGN(Flow out, Relabel(in, flow, std::move(dims)));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportTranspose(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const std::vector<uint32_t> order, OrderOf(in, node, flow.order.size()));
  in.Set(node, 0, Importer::Permuted(flow, order));
  return {};
}

Result<std::vector<uint32_t>> OrderOf(Importer& in, const OnnxNode& node, size_t axes) {
  std::vector<uint32_t> order(axes);
  std::iota(order.rbegin(), order.rend(), 0u);
  if (const auto perm = NodeAttributes(node).Integers("perm")) {
    order.clear();
    for (const int64_t axis : *perm) order.push_back(AxisOf(axis, axes).value_or(UINT32_MAX));
  }
  std::vector<uint32_t> sorted = order;
  std::ranges::sort(sorted);
  bool all = sorted.size() == axes;
  for (size_t i = 0; all && i < axes; ++i) all = sorted[i] == i;
  if (!all) return in.Bad("its perm is no order of its axes");
  return order;
}

Status ImportDepthToSpace(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  const Dims dims = flow.dims();
  const int64_t block = attributes.Integer("blocksize", 0);
  if (dims.size() != 4 || block < 1 || block > 1 << 14) return in.Bad("its blocks are none");
  const auto b = static_cast<uint64_t>(block);
  Dims split, out;
  std::vector<uint32_t> order;
  if (node.op == "SpaceToDepth") {
    split = {dims[0], dims[1], dims[2] / b, b, dims[3] / b, b};
    order = {0, 3, 5, 1, 2, 4};
    out = {dims[0], dims[1] * b * b, dims[2] / b, dims[3] / b};
  } else {
    const bool columns_first = attributes.Text("mode", "DCR") == "CRD";
    const uint64_t depth = dims[1] / (b * b);
    split = columns_first ? Dims{dims[0], depth, b, b, dims[2], dims[3]}
                          : Dims{dims[0], b, b, depth, dims[2], dims[3]};
    order = columns_first ? std::vector<uint32_t>{0, 1, 4, 2, 5, 3}
                          : std::vector<uint32_t>{0, 3, 4, 1, 5, 2};
    out = {dims[0], depth, dims[2] * b, dims[3] * b};
  }
  TRY_ASSIGN(const Flow apart, Relabel(in, flow, std::move(split)));
  TRY_ASSIGN(Flow together, Relabel(in, Importer::Permuted(apart, order), std::move(out)));
  in.Set(node, 0, std::move(together));
  return {};
}

namespace {

// Constants before and behind values along an axis: the values padded with zeros, plus the
// constants where these are.
Result<Flow> BetweenConstants(Importer& in, const Flow& flow, uint32_t axis, const Dims& out_dims,
                              const std::vector<std::pair<uint64_t, Constant>>& constants,
                              uint64_t before) {
  const Shape shape = PlaceShape(out_dims, axis);
  if (Product(out_dims) > kMostConstantElements) {
    return in.Unsupported("constants beside so many elements");
  }
  TRY_ASSIGN(const Along along, AlongAxis(in, flow, axis));
  const uint64_t inside = flow.dims()[axis];
  op::Pad pad{Shape(shape.size(), 0), Shape(shape.size(), 0)};
  pad.before[along.axis] = before;
  pad.after[along.axis] = out_dims[axis] - before - inside;
  TRY_ASSIGN(const ValueId padded, in.Emit(std::move(pad), {along.value}));
  uint64_t after = 1;
  for (size_t i = axis + 1; i < out_dims.size(); ++i) after *= out_dims[i];
  Constant sum{.dims = out_dims, .floats = std::vector<float>(Product(out_dims))};
  for (const auto& [begin, constant] : constants) {
    const uint64_t run = constant.dims[axis] * after;
    for (uint64_t i = 0; i < constant.size(); ++i) {
      const uint64_t at = i / run * out_dims[axis] * after + begin * after + i % run;
      sum.floats[at] = static_cast<float>(constant.number(i));
    }
  }
  return WithConstant(in, Importer::Plain(padded, out_dims), sum, true);
}

}  // namespace

Status ImportConcat(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const first, in.In(node, 0));
  Dims out_dims = Importer::DimsOf(*first);
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", 0), out_dims.size());
  if (!axis) return in.Bad("there is no such axis");
  out_dims[*axis] = 0;
  std::vector<std::pair<uint64_t, Constant>> constants;
  std::vector<std::pair<uint64_t, Flow>> flows;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    TRY_ASSIGN(const Known* const known, in.In(node, i));
    Dims dims = Importer::DimsOf(*known);
    if (dims.size() != out_dims.size()) return in.Bad("its operands differ in axes");
    const uint64_t begin = out_dims[*axis];
    const uint64_t size = dims[*axis];
    if (in.IsConstant(node, i)) {
      TRY_ASSIGN(const auto constant, in.ConstantIn(node, i));
      if (constant->size() != 0) constants.emplace_back(begin, *constant);
    } else {
      TRY_ASSIGN(const Flow flow, in.FlowOf(*known));
      flows.emplace_back(begin, flow);
    }
    dims[*axis] = begin;
    if (dims != out_dims) return in.Bad("its operands differ in another axis than that");
    out_dims[*axis] += size;
  }
  uint64_t inside = 0;
  std::vector<ValueId> values;
  uint32_t place = *axis;
  const bool whole_shape = std::ranges::any_of(flows, [&](const auto& part) {
    return *axis == 0 && part.second.dims()[0] == 1 && part.second.dims().size() > 1;
  });
  for (const auto& [begin, flow] : flows) {
    const Dims dims = flow.dims();
    if (begin != flows[0].first + inside) return in.Unsupported("a constant between values");
    inside += dims[*axis];
    const Shape shape = whole_shape ? Shape(dims) : Importer::SampleShape(dims);
    place = shape.size() < dims.size() ? *axis - 1 : *axis;
    TRY_ASSIGN(values.emplace_back(), in.As(flow, shape));
  }
  Dims flow_dims = out_dims;
  flow_dims[*axis] = inside;
  Flow out = flows[0].second;
  if (values.size() > 1) {
    TRY_ASSIGN(const ValueId joined, in.Emit(op::Concat{place}, std::move(values)));
    out = Importer::Plain(joined, flow_dims);
  }
  if (!constants.empty()) {
    TRY_ASSIGN(out, BetweenConstants(in, out, *axis, out_dims, constants, flows[0].first));
  }
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportSplit(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  const Dims dims = flow.dims();
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", 0), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  TRY_ASSIGN(auto sizes, ListOf(in, node, "split", 1));
  if (!sizes) {  // equal parts, the last one smaller
    const uint64_t parts = std::max<size_t>(node.outputs.size(), 1);
    const uint64_t size = CeilDiv(dims[*axis], parts);
    sizes.emplace();
    for (uint64_t i = 0; i < parts; ++i) {
      const uint64_t left = dims[*axis] - std::min(dims[*axis], i * size);
      sizes->push_back(static_cast<int64_t>(std::min(size, left)));
    }
  }
  uint64_t begin = 0;
  for (size_t i = 0; i < sizes->size(); ++i) {
    const auto size = static_cast<uint64_t>((*sizes)[i]);
    if ((*sizes)[i] < 0 || size > dims[*axis] - begin) return in.Bad("its parts are too large");
    if (in.IsUsed(node, i)) {
      TRY_ASSIGN(Flow part, SliceOf(in, flow, *axis, begin, begin + size));
      in.Set(node, i, std::move(part));
    }
    begin += size;
  }
  return {};
}

namespace {

// Every `step`th from `begin` on, less than `end`: the axis in two, and one of the second.
Result<Flow> Stepped(Importer& in, const Flow& flow, uint32_t axis, uint64_t begin, uint64_t end,
                     uint64_t step) {
  const uint64_t count = CeilDiv(end - begin, step);
  const Dims dims = flow.dims();
  if (begin >= step || count * step > dims[axis]) {
    return in.Unsupported("a part with steps that does not divide the axis");
  }
  TRY_ASSIGN(const Flow whole, SliceOf(in, flow, axis, 0, count * step));
  Dims split = whole.dims();
  split[axis] = count;
  Dims out = split;
  split.insert(split.begin() + axis + 1, step);
  TRY_ASSIGN(const Flow apart, Relabel(in, whole, std::move(split)));
  TRY_ASSIGN(const Flow one, SliceOf(in, apart, axis + 1, begin, begin + 1));
  return Relabel(in, one, std::move(out));
}

}  // namespace

Status ImportSlice(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const auto starts, ListOf(in, node, "starts", 1));
  TRY_ASSIGN(const auto ends, ListOf(in, node, "ends", 2));
  TRY_ASSIGN(const auto axes, ListOf(in, node, "axes", 3));
  TRY_ASSIGN(const auto steps, in.IntegersIn(node, 4));
  if (!starts || !ends || starts->size() != ends->size() ||
      (axes && axes->size() != starts->size()) || (steps && steps->size() != starts->size())) {
    return in.Bad("its starts, ends, axes and steps are not equally many");
  }
  for (size_t i = 0; i < starts->size(); ++i) {
    const Dims dims = flow.dims();
    const auto axis = AxisOf(axes ? (*axes)[i] : static_cast<int64_t>(i), dims.size());
    if (!axis) return in.Bad("there is no such axis");
    const auto size = static_cast<int64_t>(dims[*axis]);
    const int64_t step = steps ? (*steps)[i] : 1;
    if (step < 1) return in.Unsupported("a part backwards");
    const auto bound = [size](int64_t at) {
      return static_cast<uint64_t>(std::clamp<int64_t>(at < 0 ? at + size : at, 0, size));
    };
    const uint64_t begin = bound((*starts)[i]), end = bound((*ends)[i]);
    if (begin >= end) return in.Unsupported("a part without elements");
    if (step == 1) {
      TRY_ASSIGN(flow, SliceOf(in, flow, *axis, begin, end));
    } else {
      TRY_ASSIGN(flow, Stepped(in, flow, *axis, begin, end, static_cast<uint64_t>(step)));
    }
  }
  in.Set(node, 0, std::move(flow));
  return {};
}

namespace {

// Rows of a table that the inputs choose.
Status ImportLookup(Importer& in, const OnnxNode& node, uint32_t axis) {
  TRY_ASSIGN(const Known* const table, in.In(node, 0));
  const Dims dims = Importer::DimsOf(*table);
  if (dims.size() != 2 || axis != 0) return in.Unsupported("a table that is no matrix of rows");
  TRY_ASSIGN(const Flow ids, in.FlowIn(node, 1));
  const Dims places = ids.dims();
  TRY_ASSIGN(const ValueId from, in.As(ids, {Product(places)}));
  TRY_ASSIGN(const WeightId rows, in.RowsIn(node, 0, dims[0]));
  TRY_ASSIGN(const ValueId out, in.Emit(op::Lookup{}, {from}, {rows}));
  Dims out_dims = places;
  out_dims.push_back(dims[1]);
  in.Set(node, 0, Importer::Plain(out, std::move(out_dims)));
  return {};
}

}  // namespace

Status ImportGather(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const data, in.In(node, 0));
  const Dims dims = Importer::DimsOf(*data);
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", 0), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  if (in.IsConstant(node, 0)) return ImportLookup(in, node, *axis);
  TRY_ASSIGN(const Flow flow, in.FlowOf(*data));
  TRY_ASSIGN(const auto indices, in.ConstantIn(node, 1));
  std::vector<uint64_t> places;
  for (uint64_t i = 0; i < indices->size(); ++i) {
    const auto place = AxisOf(static_cast<int64_t>(indices->number(i)), dims[*axis]);
    if (!place) return in.Bad("it takes what is not there");
    places.push_back(*place);
  }
  std::vector<Flow> parts;
  for (size_t i = 0; i < places.size();) {
    size_t end = i + 1;
    while (end < places.size() && places[end] == places[end - 1] + 1) ++end;
    if (parts.size() == kMostPieces) return in.Unsupported("so many parts of a computed value");
    TRY_ASSIGN(parts.emplace_back(), SliceOf(in, flow, *axis, places[i], places[end - 1] + 1));
    i = end;
  }
  if (parts.empty()) return in.Unsupported("a part without elements");
  Flow all = parts[0];
  if (parts.size() > 1) {
    std::vector<ValueId> values;
    uint32_t place = *axis;
    for (const Flow& part : parts) {
      TRY_ASSIGN(values.emplace_back(), in.As(part, part.dims()));
    }
    TRY_ASSIGN(const ValueId out, in.Emit(op::Concat{place}, std::move(values)));
    Dims joined = dims;
    joined[*axis] = places.size();
    all = Importer::Plain(out, std::move(joined));
  }
  Dims out_dims(dims.begin(), dims.begin() + *axis);
  out_dims.insert(out_dims.end(), indices->dims.begin(), indices->dims.end());
  out_dims.insert(out_dims.end(), dims.begin() + *axis + 1, dims.end());
  TRY_ASSIGN(Flow out, Relabel(in, all, std::move(out_dims)));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportExpand(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  TRY_ASSIGN(const auto target, in.IntegersIn(node, 1));
  Dims dims;
  for (const int64_t size : target.value_or(std::vector<int64_t>())) {
    if (size < 1) return in.Bad("its shape is none");
    dims.push_back(static_cast<uint64_t>(size));
  }
  const auto all = BroadcastDims(flow.dims(), dims);
  if (!all) return in.Bad("its shape does not fit its operand");
  for (size_t i = 0; i < all->size(); ++i) {
    const size_t lacking = all->size() - flow.order.size();
    if ((*all)[i] != (i < lacking ? 1 : flow.dims()[i - lacking])) {
      return in.Unsupported("a computed value is repeated");
    }
  }
  TRY_ASSIGN(Flow out, Relabel(in, flow, *all));
  in.Set(node, 0, std::move(out));
  return {};
}

}  // namespace tinyai
