#include <algorithm>
#include <cmath>
#include <utility>

#include "onnx/ops.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostSize = uint64_t{1} << 24;  // of an axis, so that shapes stay in 64 bits

Result<std::vector<int64_t>> PadsOf(Importer& in, const OnnxNode& node, size_t axes) {
  std::optional<std::vector<int64_t>> pads = NodeAttributes(node).Integers("pads");
  if (!pads) {
    TRY_ASSIGN(pads, in.IntegersIn(node, 1));
  }
  TRY_ASSIGN(const auto named, in.IntegersIn(node, 3));
  const size_t count = named ? named->size() : axes;
  if (!pads || pads->size() != 2 * count) return in.Bad("its pads are not two for each axis");
  std::vector<int64_t> out(2 * axes, 0);
  for (size_t i = 0; i < count; ++i) {
    const auto axis = AxisOf(named ? (*named)[i] : static_cast<int64_t>(i), axes);
    if (!axis) return in.Bad("there is no such axis");
    out[*axis] = (*pads)[i];
    out[axes + *axis] = (*pads)[count + i];
  }
  return out;
}

// The sizes that a Resize or Upsample gives, from sizes or from scales.
Result<Dims> ResizedDims(Importer& in, const OnnxNode& node, const Dims& dims) {
  const bool old = node.inputs.size() == 2;  // Upsample, and Resize before 11
  Dims out;
  if (in.Has(node, 3)) {
    TRY_ASSIGN(const auto sizes, in.IntegersIn(node, 3));
    for (const int64_t size : *sizes) out.push_back(size < 1 ? 0 : static_cast<uint64_t>(size));
  } else {
    TRY_ASSIGN(const auto scales, in.ConstantIn(node, old ? 1 : 2));
    if (scales->size() != dims.size()) return in.Bad("its scales are not one for each axis");
    for (size_t i = 0; i < dims.size(); ++i) {
      const double size = std::floor(static_cast<double>(dims[i]) * scales->number(i));
      out.push_back(
          size >= 1 && size <= static_cast<double>(kMostSize) ? static_cast<uint64_t>(size) : 0);
    }
  }
  const bool fits = out.size() == dims.size() && std::ranges::all_of(out, [](uint64_t size) {
                      return size >= 1 && size <= kMostSize;
                    });
  if (!fits) return in.Bad("its sizes are none");
  return out;
}

// Whether the nearest element is what we take, number i * in / out.
bool IsFloorOfQuotient(std::string_view grid, std::string_view rounding, uint64_t from,
                       uint64_t to) {
  if (grid == "asymmetric" && rounding == "floor") return true;
  const bool whole = to % from == 0 || (grid == "asymmetric" && from % to == 0);
  if (grid == "asymmetric")
    return from == to || from % to == 0 || (to == 2 * from && rounding == "round_prefer_floor");
  const bool centres = grid == "half_pixel" || grid == "pytorch_half_pixel";
  return centres && whole && (rounding == "round_prefer_floor" || rounding == "round_prefer_ceil");
}

}  // namespace

Status ImportPad(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  Dims dims = flow.dims();
  TRY_ASSIGN(const std::vector<int64_t> pads, PadsOf(in, node, dims.size()));
  if (std::ranges::any_of(
          pads, [](int64_t pad) { return pad < 0 || static_cast<uint64_t>(pad) > kMostSize; })) {
    return in.Unsupported("pads that take away, or are larger than 2^24");
  }
  op::Pad pad;
  const std::string_view mode = attributes.Text("mode", "constant");
  if (mode == "reflect") pad.mode = op::PadMode::kReflect;
  if (mode == "edge") pad.mode = op::PadMode::kEdge;
  if (mode != "reflect" && mode != "edge" && mode != "constant") {
    return in.Unsupported("pads are constant, reflected or the edge");
  }
  pad.value = attributes.Float("value", 0);
  if (in.Has(node, 2)) {
    TRY_ASSIGN(const auto value, in.ConstantIn(node, 2));
    if (value->size() == 1) pad.value = static_cast<float>(value->number(0));
  }
  const size_t axes = dims.size();
  const bool first_too = axes > 0 && pads[0] + pads[axes] != 0;
  const Shape shape = first_too ? Shape(dims) : Importer::SampleShape(dims);
  for (size_t i = axes - std::min(shape.size(), axes); i < axes; ++i) {
    pad.before.push_back(static_cast<uint64_t>(pads[i]));
    pad.after.push_back(static_cast<uint64_t>(pads[axes + i]));
  }
  for (size_t i = 0; i < axes; ++i) dims[i] += static_cast<uint64_t>(pads[i] + pads[axes + i]);
  if (dims == flow.dims()) {
    in.Set(node, 0, flow);
    return {};
  }
  TRY_ASSIGN(const ValueId x, in.As(flow, shape));
  TRY_ASSIGN(const ValueId out, in.Emit(std::move(pad), {x}));
  in.Set(node, 0, Importer::Plain(out, std::move(dims)));
  return {};
}

Status ImportResize(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  TRY_ASSIGN(const Flow flow, in.FlowIn(node, 0));
  const Dims dims = flow.dims();
  if (dims.size() < 3 || dims.size() > 4 || dims[0] != 1) {
    return in.Unsupported("maps of one or two axes, in a batch of 1, are resized");
  }
  TRY_ASSIGN(const Dims out_dims, ResizedDims(in, node, dims));
  const bool newer = node.op == "Resize" && node.inputs.size() > 2;
  const std::string_view mode = attributes.Text("mode", "nearest");
  const std::string_view grid =
      attributes.Text("coordinate_transformation_mode", newer ? "half_pixel" : "asymmetric");
  const std::string_view rounding =
      attributes.Text("nearest_mode", newer ? "round_prefer_floor" : "floor");
  if (out_dims[0] != 1 || out_dims[1] != dims[1] || attributes.Integer("antialias", 0) != 0 ||
      attributes.Has("axes")) {
    return in.Unsupported("only the last axes of maps are resized, without antialias");
  }
  op::Resize resize{{out_dims.begin() + 2, out_dims.end()}, op::ResizeMode::kNearest, false};
  if (mode == "linear") {
    resize.mode = op::ResizeMode::kLinear;
    resize.align_corners = grid == "align_corners";
    if (grid != "align_corners" && grid != "half_pixel" && grid != "pytorch_half_pixel") {
      return in.Unsupported("linear resizing is by half pixels or by corners");
    }
  } else if (mode == "nearest") {
    for (size_t i = 2; i < dims.size(); ++i) {
      if (!IsFloorOfQuotient(grid, rounding, dims[i], out_dims[i])) {
        return in.Unsupported("the nearest element is rounded in a way that is not known");
      }
    }
  } else {
    return in.Unsupported("resizing is nearest or linear");
  }
  TRY_ASSIGN(const ValueId x, in.Sample(flow));
  TRY_ASSIGN(const ValueId out, in.Emit(std::move(resize), {x}));
  in.Set(node, 0, Importer::Plain(out, out_dims));
  return {};
}

}  // namespace tinyai
