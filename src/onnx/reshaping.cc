// What gives the same elements other axes: reshapes, transposes, blocks of a map.

#include <algorithm>
#include <numeric>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

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

}  // namespace

Result<std::optional<std::vector<int64_t>>> ListOf(Importer& in, const OnnxNode& node,
                                                   std::string_view name, size_t input) {
  if (auto list = NodeAttributes(node).Integers(name)) return list;
  return in.IntegersIn(node, input);
}

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

}  // namespace tinyai
