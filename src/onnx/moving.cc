#include <algorithm>
#include <numeric>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

constexpr size_t kMostPieces = 256;  // of a Gather

// The shape of one sample; where there is only one, its axis may be worked along too.
Shape PlaceShape(const Dims& dims, uint32_t axis) {
  return axis == 0 && dims.size() > 1 && dims[0] == 1 ? Shape(dims) : Importer::SampleShape(dims);
}

}  // namespace

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

namespace {

// Constants before and behind values along an axis: the values padded with zeros, plus the
// constants where these are.
Result<Flow> BetweenConstants(Importer& in, const Flow& flow, uint32_t axis, const Dims& out_dims,
                              const std::vector<std::pair<uint64_t, Constant>>& constants,
                              uint64_t before) {
  const Shape shape = PlaceShape(out_dims, axis);
  TRY(in.Spend(out_dims));
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
    const auto place = AxisOf(Whole(indices->number(i)), dims[*axis]);
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
