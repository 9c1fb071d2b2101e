// What does not depend on the inputs is computed while the model is converted: shapes, positions,
// masks. Weights are not looked into here; of them only the names go on.

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "onnx/fold_elements.h"
#include "onnx/ops.h"

namespace tinyai {
namespace {

using Computed = Result<std::vector<Constant>>;

Constant Integers(std::vector<int64_t> values) {
  Constant out{.dims = {values.size()}, .is_float = false};
  out.integers = std::move(values);
  return out;
}

// Element i of the result is element place(i) of the operand.
template <typename Place>
Constant Picked(const Constant& from, Dims dims, Place&& place) {
  Constant out{.dims = std::move(dims), .is_float = from.is_float};
  const uint64_t size = Product(out.dims);
  for (uint64_t i = 0; i < size; ++i) {
    const uint64_t at = place(i);
    if (from.is_float) {
      out.floats.push_back(from.floats[at]);
    } else {
      out.integers.push_back(from.integers[at]);
    }
  }
  return out;
}

// --- the others, by name ---

Computed Where(Importer& in, const OnnxNode&, const Operands& of) {
  if (of.size() != 3 || !of[0] || !of[1] || !of[2]) return in.Bad("it needs three operands");
  auto dims = BroadcastDims(of[1]->dims, of[2]->dims);
  if (dims) dims = BroadcastDims(*dims, of[0]->dims);
  if (!dims) return in.Bad("its operands do not fit");
  TRY(in.Spend(*dims));
  Constant out{.dims = *dims, .is_float = of[1]->is_float};
  const Broadcaster truth(*dims, of[0]->dims), yes(*dims, of[1]->dims), no(*dims, of[2]->dims);
  for (uint64_t i = 0, size = Product(*dims); i < size; ++i) {
    const bool holds = of[0]->number(truth.At(i)) != 0;
    const double value = holds ? of[1]->number(yes.At(i)) : of[2]->number(no.At(i));
    if (out.is_float) {
      out.floats.push_back(static_cast<float>(value));
    } else {
      out.integers.push_back(Whole(value));
    }
  }
  return std::vector{std::move(out)};
}

Computed Cast(Importer&, const OnnxNode& node, const Operands& of) {
  const auto to = static_cast<OnnxType>(NodeAttributes(node).Integer("to", 1));
  Constant out{.dims = of[0]->dims};
  out.is_float = to == OnnxType::kFloat || to == OnnxType::kF16 || to == OnnxType::kBF16 ||
                 to == OnnxType::kF64;
  for (uint64_t i = 0; i < of[0]->size(); ++i) {
    const double value = of[0]->number(i);
    if (out.is_float) {
      out.floats.push_back(static_cast<float>(value));
    } else if (to == OnnxType::kBool) {
      out.integers.push_back(value != 0 ? 1 : 0);
    } else {
      out.integers.push_back(of[0]->is_float ? Whole(value) : of[0]->integers[i]);
    }
  }
  return std::vector{std::move(out)};
}

Computed Same(Importer&, const OnnxNode&, const Operands& of) { return std::vector{*of[0]}; }

Computed Reshaped(Importer& in, const OnnxNode& node, const Operands& of) {
  Constant out = *of[0];
  TRY_ASSIGN(out.dims, ReshapedDims(in, node, out.dims));
  return std::vector{std::move(out)};
}

Computed Transposed(Importer& in, const OnnxNode& node, const Operands& of) {
  const Dims& from = of[0]->dims;
  TRY_ASSIGN(const std::vector<uint32_t> order, OrderOf(in, node, from.size()));
  Dims dims;
  std::vector<uint64_t> strides(from.size(), 1), taken;
  for (size_t i = from.size(); i-- > 1;) strides[i - 1] = strides[i] * from[i];
  for (const uint32_t axis : order) {
    dims.push_back(from[axis]);
    taken.push_back(strides[axis]);
  }
  return std::vector{Picked(*of[0], dims, [&](uint64_t i) {
    uint64_t at = 0;
    for (size_t axis = dims.size(); axis-- > 0; i /= dims[axis]) at += i % dims[axis] * taken[axis];
    return at;
  })};
}

Computed Joined(Importer& in, const OnnxNode& node, const Operands& of) {
  Dims dims = of[0]->dims;
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", 0), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  uint64_t outer = 1, along = 0;
  for (uint32_t i = 0; i < *axis; ++i) outer *= dims[i];
  for (const auto& part : of) {
    if (part == nullptr || part->dims.size() != dims.size()) return in.Bad("its operands differ");
    for (uint32_t i = 0; i < dims.size(); ++i) {
      if (i != *axis && part->dims[i] != dims[i]) return in.Bad("its operands differ");
    }
    along += part->dims[*axis];
  }
  dims[*axis] = along;
  TRY(in.Spend(dims));
  Constant out{.dims = dims, .is_float = of[0]->is_float};
  for (uint64_t o = 0; o < outer; ++o) {
    for (const auto& part : of) {
      const uint64_t run = part->size() / outer;
      for (uint64_t i = o * run; i < (o + 1) * run; ++i) {
        if (out.is_float) {
          out.floats.push_back(static_cast<float>(part->number(i)));
        } else {
          out.integers.push_back(Whole(part->number(i)));
        }
      }
    }
  }
  return std::vector{std::move(out)};
}

// Some places of an axis, in their order.
Constant Taken(const Constant& from, uint32_t axis, const std::vector<uint64_t>& places) {
  Dims dims = from.dims;
  uint64_t inner = 1;
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  const uint64_t whole = dims[axis];
  dims[axis] = places.size();
  return Picked(from, std::move(dims), [&](uint64_t i) {
    const uint64_t rest = i % inner, place = i / inner % places.size();
    return (i / inner / places.size() * whole + places[place]) * inner + rest;
  });
}

Computed Gathered(Importer& in, const OnnxNode& node, const Operands& of) {
  if (of.size() != 2 || of[1] == nullptr) return in.Bad("it needs two operands");
  const Dims& dims = of[0]->dims;
  const auto axis = AxisOf(NodeAttributes(node).Integer("axis", 0), dims.size());
  if (!axis) return in.Bad("there is no such axis");
  std::vector<uint64_t> places;
  for (uint64_t i = 0; i < of[1]->size(); ++i) {
    const auto place = AxisOf(Whole(of[1]->number(i)), dims[*axis]);
    if (!place) return in.Bad("it takes what is not there");
    places.push_back(*place);
  }
  Dims out_dims(dims.begin(), dims.begin() + *axis);
  out_dims.insert(out_dims.end(), of[1]->dims.begin(), of[1]->dims.end());
  out_dims.insert(out_dims.end(), dims.begin() + *axis + 1, dims.end());
  TRY(in.Spend(out_dims));
  Constant out = Taken(*of[0], *axis, places);
  out.dims = std::move(out_dims);
  return std::vector{std::move(out)};
}

Computed Sliced(Importer& in, const OnnxNode& node, const Operands& of) {
  const NodeAttributes attributes(node);
  const auto list = [&](std::string_view name,
                        size_t input) -> std::optional<std::vector<int64_t>> {
    if (auto given = attributes.Integers(name)) return given;
    if (input >= of.size() || of[input] == nullptr) return std::nullopt;
    return of[input]->integers;
  };
  const auto starts = list("starts", 1), ends = list("ends", 2), axes = list("axes", 3),
             steps = list("", 4);
  if (!starts || !ends || starts->size() != ends->size() ||
      (axes && axes->size() != starts->size()) || (steps && steps->size() != starts->size())) {
    return in.Bad("its starts, ends, axes and steps are not equally many");
  }
  Constant out = *of[0];
  for (size_t i = 0; i < starts->size(); ++i) {
    const auto axis = AxisOf(axes ? (*axes)[i] : static_cast<int64_t>(i), out.dims.size());
    const int64_t step = steps ? (*steps)[i] : 1;
    if (!axis || step == 0) return in.Bad("there is no such part");
    const auto size = static_cast<int64_t>(out.dims[*axis]);
    // Backwards, the bounds are one before the first and the last itself.
    const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto bound = [&](int64_t at) { return std::clamp(at < 0 ? at + size : at, low, high); };
    const int64_t begin = bound((*starts)[i]);
    const int64_t end = step < 0 && (*ends)[i] < -size ? -1 : bound((*ends)[i]);
    std::vector<uint64_t> places;
    const int64_t stride = std::clamp(step, -size - 1, size + 1);
    for (int64_t at = begin; step > 0 ? at < end : at > end; at += stride) {
      places.push_back(static_cast<uint64_t>(at));
    }
    Dims dims = out.dims;
    dims[*axis] = places.size();
    TRY(in.Spend(dims));
    out = Taken(out, *axis, places);
  }
  return std::vector{std::move(out)};
}

Computed Expanded(Importer& in, const OnnxNode&, const Operands& of) {
  if (of.size() != 2 || of[1] == nullptr) return in.Bad("it needs a shape");
  Dims target;
  for (const int64_t size : of[1]->integers) {
    if (size < 0) return in.Bad("its shape is none");
    target.push_back(static_cast<uint64_t>(size));
  }
  const auto dims = BroadcastDims(of[0]->dims, target);
  if (!dims) return in.Bad("its operands do not fit");
  TRY(in.Spend(*dims));
  const Broadcaster places(*dims, of[0]->dims);
  return std::vector{Picked(*of[0], *dims, [&](uint64_t i) { return places.At(i); })};
}

Computed ConstantOfShape(Importer& in, const OnnxNode& node, const Operands& of) {
  Constant out;
  for (const int64_t size : of[0]->integers) {
    if (size < 0) return in.Bad("its shape is none");
    out.dims.push_back(static_cast<uint64_t>(size));
  }
  TRY(in.Spend(out.dims));
  Constant value{.dims = {1}, .floats = {0}};
  if (const OnnxTensor* const tensor = NodeAttributes(node).Tensor("value")) {
    TRY(in.Spend(tensor->dims));
    TRY_ASSIGN(value, LoadConstant(*tensor, in.parts()));
    if (value.size() != 1) return in.Bad("its value is no single number");
  }
  return std::vector{Picked(value, out.dims, [](uint64_t) { return uint64_t{0}; })};
}

Computed Range(Importer& in, const OnnxNode&, const Operands& of) {
  if (of.size() != 3 || !of[0] || !of[1] || !of[2] || of[0]->size() != 1 || of[1]->size() != 1 ||
      of[2]->size() != 1) {
    return in.Bad("it needs three numbers");
  }
  const double start = of[0]->number(0), delta = of[2]->number(0);
  const double count = std::ceil((of[1]->number(0) - start) / delta);
  if (!(count <= static_cast<double>(kMostConstantElements))) return in.Bad("it does not end");
  TRY(in.Spend({static_cast<uint64_t>(std::max(count, 0.0))}));
  Constant out{.is_float = of[0]->is_float};
  for (double i = 0; i < count; ++i) {
    if (out.is_float) {
      out.floats.push_back(static_cast<float>(start + i * delta));
    } else {
      out.integers.push_back(Whole(start + i * delta));
    }
  }
  out.dims = {out.size()};
  return std::vector{std::move(out)};
}

// The lower or upper triangle.
Computed Trilu(Importer& in, const OnnxNode& node, const Operands& of) {
  Constant out = *of[0];
  if (out.dims.size() < 2) return in.Bad("it is no matrix");
  const uint64_t rows = out.dims[out.dims.size() - 2], cols = out.dims.back();
  const bool upper = NodeAttributes(node).Integer("upper", 1) != 0;
  const double k = of.size() > 1 && of[1] && of[1]->size() == 1 ? of[1]->number(0) : 0;
  for (uint64_t i = 0; i < out.size(); ++i) {
    const double diagonal = static_cast<double>(i % cols) - static_cast<double>(i / cols % rows);
    if (upper ? diagonal >= k : diagonal <= k) continue;
    if (out.is_float) {
      out.floats[i] = 0;
    } else {
      out.integers[i] = 0;
    }
  }
  return std::vector{std::move(out)};
}

using Rule = Computed (*)(Importer&, const OnnxNode&, const Operands&);
constexpr std::pair<std::string_view, Rule> kFolds[] = {
    {"Cast", Cast},
    {"Concat", Joined},
    {"ConstantOfShape", ConstantOfShape},
    {"Dropout", Same},
    {"Expand", Expanded},
    {"Flatten", Reshaped},
    {"Gather", Gathered},
    {"Identity", Same},
    {"Range", Range},
    {"Reshape", Reshaped},
    {"Slice", Sliced},
    {"Squeeze", Reshaped},
    {"Transpose", Transposed},
    {"Trilu", Trilu},
    {"Unsqueeze", Reshaped},
    {"Where", Where},
};

// --- without looking at the numbers ---

Result<bool> FoldConstant(Importer& in, const OnnxNode& node) {
  const NodeAttributes attributes(node);
  if (const OnnxTensor* const tensor = attributes.Tensor("value")) {
    in.Set(node, 0, Stored{tensor, tensor->dims});
    return true;
  }
  Constant out;
  if (attributes.Has("value_float")) {
    out.floats = {attributes.Float("value_float", 0)};
  } else if (attributes.Has("value_floats")) {
    const std::span<const float> list = attributes.Floats("value_floats");
    out.floats = {list.begin(), list.end()};
    out.dims = {list.size()};
  } else if (attributes.Has("value_int")) {
    out.is_float = false;
    out.integers = {attributes.Integer("value_int", 0)};
  } else if (const auto list = attributes.Integers("value_ints")) {
    out = Integers(*list);
  } else {
    return in.Unsupported("its value is neither numbers nor a tensor of them");
  }
  in.Set(node, 0, std::make_shared<const Constant>(std::move(out)));
  return true;
}

Result<bool> FoldShape(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  const Dims dims = Importer::DimsOf(*known);
  const NodeAttributes attributes(node);
  const auto axes = static_cast<int64_t>(dims.size());
  const auto bound = [axes](int64_t at) {
    return std::clamp<int64_t>(at < 0 ? at + axes : at, 0, axes);
  };
  const int64_t begin = bound(attributes.Integer("start", 0));
  const int64_t end = bound(attributes.Integer("end", axes));
  std::vector<int64_t> sizes;
  for (int64_t i = begin; i < end; ++i)
    sizes.push_back(static_cast<int64_t>(dims[static_cast<size_t>(i)]));
  if (node.op == "Size") {
    Constant count{.is_float = false, .integers = {static_cast<int64_t>(Product(dims))}};
    in.Set(node, 0, std::make_shared<const Constant>(std::move(count)));
  } else {
    in.Set(node, 0, std::make_shared<const Constant>(Integers(std::move(sizes))));
  }
  return true;
}

// A weight under another name or in another shape is the same weight.
Result<bool> FoldStored(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  const auto* const stored = std::get_if<Stored>(known);
  if (stored == nullptr) return false;
  Stored out = *stored;
  const auto type = static_cast<OnnxType>(NodeAttributes(node).Integer("to", 1));
  const bool to_floats = type == OnnxType::kFloat || type == OnnxType::kF16 ||
                         type == OnnxType::kBF16 || type == OnnxType::kF64;
  const OnnxType from = stored->tensor->type;
  const bool floats = from == OnnxType::kFloat || from == OnnxType::kF16 ||
                      from == OnnxType::kBF16 || from == OnnxType::kF64;
  if (node.op == "Identity" || node.op == "Dropout" || (node.op == "Cast" && to_floats && floats)) {
    in.Set(node, 0, out);
    return true;
  }
  if (node.op == "Transpose" && out.dims.size() == 2) {
    TRY_ASSIGN(const auto order, OrderOf(in, node, 2));
    if (order[0] == 1) {
      out.transposed = !out.transposed;
      std::swap(out.dims[0], out.dims[1]);
    }
    in.Set(node, 0, out);
    return true;
  }
  const bool reshapes = node.op == "Reshape" || node.op == "Flatten" || node.op == "Squeeze" ||
                        node.op == "Unsqueeze";
  if (!reshapes || out.transposed) return false;
  TRY_ASSIGN(out.dims, ReshapedDims(in, node, out.dims));
  in.Set(node, 0, out);
  return true;
}

}  // namespace

Result<bool> Fold(Importer& in, const OnnxNode& node) {
  if (node.op == "Constant") return FoldConstant(in, node);
  if (node.op == "Shape" || node.op == "Size") return FoldShape(in, node);
  bool any = false;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (in.Has(node, i) && !in.IsConstant(node, i)) return false;
    any |= in.Has(node, i);
  }
  if (!any || !in.Has(node, 0)) return false;
  TRY_ASSIGN(const bool same, FoldStored(in, node));
  if (same) return true;
  const auto rule = std::ranges::find(kFolds, node.op, [](const auto& fold) { return fold.first; });
  Operands operands;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    operands.emplace_back();
    if (in.Has(node, i)) {
      TRY_ASSIGN(operands.back(), in.ConstantIn(node, i));
    }
  }
  std::vector<Constant> results;
  if (rule != std::end(kFolds)) {
    TRY_ASSIGN(results, rule->second(in, node, operands));
  } else {
    TRY_ASSIGN(auto result, Elementwise(in, node, operands));
    if (!result) return false;
    results.push_back(*std::move(result));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    in.Set(node, i, std::make_shared<const Constant>(std::move(results[i])));
  }
  return true;
}

}  // namespace tinyai
