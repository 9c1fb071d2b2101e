#include "graph/shapes.h"

#include <algorithm>
#include <numeric>

#include "base/checked.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostElements = uint64_t{1} << 48;
constexpr size_t kMostAxes = 6;  // kernel/reshape.h
// Windows beyond this are no windows; so what they reach over kMostElements stays in 64 bits.
constexpr uint64_t kMostWindow = uint64_t{1} << 14;

class ShapeRule {
 public:
  ShapeRule(const Graph& graph, const Op& op) : graph_(graph), op_(op) {}

  Result<Shape> Apply() {
    return std::visit([this](const auto& kind) { return Of(kind); }, op_.kind);
  }

 private:
  // --- what is wrong ---

  tl::unexpected<Error> BadOp(std::string_view what) const {
    return Fail(ErrorCode::kBadFile, "GRAPH_OP",
                fmt::format("{} '{}': {}", Name(op_.kind), op_.name, what));
  }
  tl::unexpected<Error> BadShape(std::string_view what) const {
    std::string operands;
    for (const ValueId in : op_.ins) {
      operands += fmt::format("{}{} [{}]", operands.empty() ? "" : ", ", graph_.value(in).name,
                              ShapeText(graph_.value(in).shape));
    }
    return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE",
                fmt::format("{} '{}': {}; its operands are {}", Name(op_.kind), op_.name, what,
                            operands.empty() ? "none" : operands));
  }
  Status NeedOperands(size_t least, size_t most) const {
    if (op_.ins.size() >= least && op_.ins.size() <= most) return {};
    return BadOp(fmt::format(
        "it has {} operands, not {}", op_.ins.size(),
        least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most)));
  }
  Status NeedWeights(size_t least, size_t most) const {
    if (op_.weights.size() >= least && op_.weights.size() <= most) return {};
    return BadOp(fmt::format(
        "it has {} weights, not {}", op_.weights.size(),
        least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most)));
  }
  Status NeedMatrix(size_t index, uint64_t rows, uint64_t cols) const {
    const Weight& weight = graph_.weight(op_.weights[index]);
    if (weight.rows == rows && weight.cols == cols) return {};
    return BadShape(fmt::format("its weight {} is {} rows of {}, not {} rows of {}", weight.name,
                                weight.rows, weight.cols, rows, cols));
  }
  Status NeedVector(size_t index, uint64_t size) const {
    if (index >= op_.weights.size()) return {};
    const Weight& weight = graph_.weight(op_.weights[index]);
    if (weight.type != DType::kF32) {
      return BadOp(fmt::format("its weight {} is no matrix, so it must be F32, not {}", weight.name,
                               Name(weight.type)));
    }
    return NeedMatrix(index, 1, size);
  }
  Status NeedVectors(size_t first, uint64_t size) const {
    for (size_t i = first; i < op_.weights.size(); ++i) TRY(NeedVector(i, size));
    return {};
  }
  const Shape& In(size_t index) const { return graph_.value(op_.ins[index]).shape; }
  Status NeedAxes(size_t least, size_t most) const {
    if (In(0).size() >= least && In(0).size() <= most) return {};
    return BadShape(least == most ? fmt::format("it works on {} axes", least)
                                  : fmt::format("it works on {} to {} axes", least, most));
  }
  Status NeedAxis(uint32_t axis, const Shape& shape) const {
    if (axis < shape.size()) return {};
    return BadOp(fmt::format("there is no axis {}", axis));
  }

  // --- kinds that only text models have ---

  template <typename Kind>
  Result<Shape> Of(const Kind&) {
    return BadOp("only text models have this op");
  }

  // --- kinds that only a planner adds ---

  Result<Shape> Of(const op::Spill&) { return BadOp("no model has this op"); }
  Result<Shape> Of(const op::Fetch&) { return BadOp("no model has this op"); }

  // --- products ---

  Result<Shape> Of(const op::Input& input) {
    TRY(NeedOperands(0, 0));
    TRY(NeedWeights(0, 0));
    return input.shape;
  }
  Result<Shape> Of(const op::MatMul&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(1, 2));
    TRY(NeedAxes(1, kMostAxes));
    Shape out = In(0);
    const Weight& matrix = graph_.weight(op_.weights[0]);
    TRY(NeedMatrix(0, matrix.rows, out.back()));
    TRY(NeedVectors(1, matrix.rows));
    out.back() = matrix.rows;
    return out;
  }
  // [C, H, W], or [C, 1, L] for [C, L].
  Result<Shape> Image(const op::Window& window) const {
    TRY(NeedAxes(2, 3));
    Shape in = In(0);
    if (in.size() == 2) in.insert(in.begin() + 1, 1);
    for (size_t i = 0; i < 2; ++i) {
      const bool none = i == 0 && In(0).size() == 2;
      const bool sizes_ok = window.size[i] != 0 && window.stride[i] != 0 &&
                            window.dilation[i] != 0 && window.size[i] <= kMostWindow &&
                            window.stride[i] <= kMostWindow && window.dilation[i] <= kMostWindow &&
                            window.pad_begin[i] <= kMostWindow && window.pad_end[i] <= kMostWindow;
      if (!sizes_ok) return BadOp("sizes, strides and dilations go from 1 to 2^14, pads from 0");
      if (none && (window.size[0] != 1 || window.pad_begin[0] != 0 || window.pad_end[0] != 0)) {
        return BadOp("its window has two axes, its operand one");
      }
    }
    return in;
  }
  Shape FromImage(Shape out) const {
    if (In(0).size() == 2) out.erase(out.begin() + 1);
    return out;
  }
  Result<uint64_t> Positions(uint64_t size, const op::Window& window, size_t axis) const {
    const uint64_t reach = uint64_t{window.size[axis] - 1} * window.dilation[axis] + 1;
    const uint64_t padded = size + window.pad_begin[axis] + window.pad_end[axis];
    if (padded < reach) {
      return BadShape(fmt::format("its window of {} does not fit into {}", reach, padded));
    }
    return (padded - reach) / window.stride[axis] + 1;
  }
  Status NeedGroups(uint32_t groups, uint64_t channels, uint64_t out_channels) const {
    if (groups == 0 || channels % groups != 0 || out_channels % groups != 0) {
      return BadShape(fmt::format("{} groups do not divide its channels, {} in and {} out", groups,
                                  channels, out_channels));
    }
    const op::Window& window = std::visit(
        [](const auto& kind) -> const op::Window& {
          if constexpr (requires { kind.window; }) return kind.window;
          static const op::Window kNone;
          return kNone;
        },
        op_.kind);
    const uint64_t taps = uint64_t{window.size[0]} * window.size[1];
    const std::optional<uint64_t> cols = CheckedMul(channels / groups, taps);
    if (!cols) return BadShape("its window is larger than any weights");
    TRY(NeedMatrix(0, out_channels, *cols));
    return NeedVectors(1, out_channels);
  }
  // The image of a convolution's operand, with the channels that come out.
  Result<Shape> Channels(const auto& conv) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(1, 2));
    TRY_ASSIGN(Shape out, Image(conv.window));
    const uint64_t out_channels = graph_.weight(op_.weights[0]).rows;
    TRY(NeedGroups(conv.groups, out[0], out_channels));
    out[0] = out_channels;
    return out;
  }
  Result<Shape> Of(const op::Conv& conv) {
    TRY_ASSIGN(Shape out, Channels(conv));
    TRY_ASSIGN(out[1], Positions(out[1], conv.window, 0));
    TRY_ASSIGN(out[2], Positions(out[2], conv.window, 1));
    return FromImage(std::move(out));
  }
  Result<Shape> Of(const op::ConvTranspose& conv) {
    TRY_ASSIGN(Shape out, Channels(conv));
    for (size_t axis = 0; axis < 2; ++axis) {
      const op::Window& window = conv.window;
      if (conv.more[axis] >= std::max(window.stride[axis], window.dilation[axis])) {
        return BadOp("it adds at least a stride of rows");
      }
      const uint64_t reach = uint64_t{window.size[axis] - 1} * window.dilation[axis] + 1;
      const uint64_t whole = (out[axis + 1] - 1) * window.stride[axis] + reach + conv.more[axis];
      const uint64_t cut = uint64_t{window.pad_begin[axis]} + window.pad_end[axis];
      if (cut >= whole) return BadShape("its pads leave nothing");
      out[axis + 1] = whole - cut;
    }
    return FromImage(std::move(out));
  }
  Result<Shape> Of(const op::Lookup&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(1, 1));
    TRY(NeedAxes(1, kMostAxes - 1));
    Shape out = In(0);
    out.push_back(graph_.weight(op_.weights[0]).cols);
    return out;
  }

  // --- windows and norms ---

  Result<Shape> Of(const op::Pool& pool) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    TRY_ASSIGN(Shape out, Image(pool.window));
    for (size_t axis = 0; axis < 2; ++axis) {
      // Else a window could lie in padding alone.
      const uint64_t reach = uint64_t{pool.window.size[axis] - 1} * pool.window.dilation[axis] + 1;
      if (pool.window.pad_begin[axis] >= reach || pool.window.pad_end[axis] >= reach) {
        return BadOp("its padding is as wide as its window");
      }
      TRY_ASSIGN(out[axis + 1], Positions(out[axis + 1], pool.window, axis));
    }
    return FromImage(std::move(out));
  }
  Result<Shape> Of(const op::GlobalPool&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    TRY(NeedAxes(2, kMostAxes));
    Shape out(In(0).size(), 1);
    out[0] = In(0)[0];
    return out;
  }
  Result<Shape> Of(const op::BatchNorm&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(4, 4));
    TRY(NeedAxes(1, kMostAxes));
    TRY(NeedVectors(0, In(0)[0]));
    return In(0);
  }
  Result<Shape> Of(const op::LayerNorm&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(1, 2));
    TRY(NeedAxes(1, kMostAxes));
    TRY(NeedVectors(0, In(0).back()));
    return In(0);
  }
  Result<Shape> Of(const op::RmsNorm& norm) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(1, 1));
    TRY(NeedAxes(1, kMostAxes));
    if (norm.group == 0 || In(0).back() % norm.group != 0) {
      return BadShape(fmt::format("groups of {} do not divide its last axis", norm.group));
    }
    TRY(NeedVectors(0, norm.group));
    return In(0);
  }
  Result<Shape> Of(const op::GroupNorm& norm) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(2, 2));
    TRY(NeedAxes(1, kMostAxes));
    if (norm.groups == 0 || In(0)[0] % norm.groups != 0) {
      return BadShape(fmt::format("{} groups do not divide its channels", norm.groups));
    }
    TRY(NeedVectors(0, In(0)[0]));
    return In(0);
  }

  // --- element by element ---

  Result<Shape> Of(const op::Activation&) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    return In(0);
  }
  Result<Shape> Broadcast() const {
    TRY(NeedOperands(1, 2));
    TRY(NeedWeights(2 - op_.ins.size(), 2 - op_.ins.size()));
    if (op_.ins.size() == 1) {
      const Weight& weight = graph_.weight(op_.weights[0]);
      TRY_ASSIGN(uint64_t inner, ElementCount(In(0)));
      for (size_t axis = 0; inner != weight.cols && axis < In(0).size(); ++axis) {
        inner /= In(0)[axis];
      }
      TRY(NeedVector(0, inner));
      return In(0);
    }
    const Shape &a = In(0), &b = In(1);
    bool fits = b.size() <= a.size();
    for (size_t i = 0; fits && i < b.size(); ++i) {
      const uint64_t of_a = a[a.size() - b.size() + i];
      fits = b[i] == of_a || b[i] == 1;
    }
    if (!fits) return BadShape("its second operand does not fit its first");
    return a;
  }
  Result<Shape> Of(const op::Add&) { return Broadcast(); }
  Result<Shape> Of(const op::Mul&) { return Broadcast(); }
  Result<Shape> Of(const op::SiluMul&) {
    TRY(NeedOperands(2, 2));
    TRY(NeedWeights(0, 0));
    if (In(0) != In(1)) return BadShape("its operands differ");
    return In(0);
  }
  Result<Shape> Of(const op::Softmax& softmax) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    TRY(NeedAxis(softmax.axis, In(0)));
    return In(0);
  }

  // --- moving ---

  Result<Shape> Of(const op::Concat& concat) {
    TRY(NeedOperands(1, 4096));
    TRY(NeedWeights(0, 0));
    Shape out = In(0);
    TRY(NeedAxis(concat.axis, out));
    for (size_t i = 1; i < op_.ins.size(); ++i) {
      Shape other = In(i);
      if (other.size() != out.size()) return BadShape("its operands differ in axes");
      out[concat.axis] += std::exchange(other[concat.axis], 0);
      const uint64_t sum = std::exchange(out[concat.axis], 0);
      if (other != out) return BadShape("its operands differ in another axis than that");
      out[concat.axis] = sum;
    }
    return out;
  }
  Result<Shape> Of(const op::Slice& slice) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    Shape out = In(0);
    TRY(NeedAxis(slice.axis, out));
    if (slice.begin >= slice.end || slice.end > out[slice.axis]) {
      return BadShape(
          fmt::format("{} to {} is no part of axis {}", slice.begin, slice.end, slice.axis));
    }
    out[slice.axis] = slice.end - slice.begin;
    return out;
  }
  Result<Shape> Of(const op::Reshape& reshape) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    TRY_ASSIGN(const uint64_t from, ElementCount(In(0)));
    TRY_ASSIGN(const uint64_t to, ElementCount(reshape.shape));
    if (from != to) {
      return BadShape(fmt::format("it cannot become [{}]", ShapeText(reshape.shape)));
    }
    return reshape.shape;
  }
  Result<Shape> Of(const op::Transpose& transpose) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    std::vector<uint32_t> sorted = transpose.order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<uint32_t> all(In(0).size());
    std::iota(all.begin(), all.end(), 0u);
    if (sorted != all) return BadOp("its order is none of its operand's axes");
    Shape out;
    for (const uint32_t axis : transpose.order) out.push_back(In(0)[axis]);
    return out;
  }
  Result<Shape> Of(const op::Pad& pad) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    Shape out = In(0);
    if (pad.before.size() != out.size() || pad.after.size() != out.size()) {
      return BadOp("it needs two numbers for each axis");
    }
    for (size_t axis = 0; axis < out.size(); ++axis) {
      const uint64_t most = pad.mode == op::PadMode::kReflect ? out[axis] - 1 : kMostElements;
      if (pad.before[axis] > most || pad.after[axis] > most) {
        return BadShape(fmt::format("axis {} cannot be padded by so much", axis));
      }
      out[axis] += pad.before[axis] + pad.after[axis];
    }
    return out;
  }
  Result<Shape> Of(const op::Resize& resize) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    TRY(NeedAxes(2, 3));
    if (resize.size.size() + 1 != In(0).size()) return BadOp("it needs a size for each axis");
    Shape out = {In(0)[0]};
    out.insert(out.end(), resize.size.begin(), resize.size.end());
    return out;
  }
  Result<Shape> Of(const op::Reduce& reduce) {
    TRY(NeedOperands(1, 1));
    TRY(NeedWeights(0, 0));
    const bool together =
        std::adjacent_find(reduce.axes.begin(), reduce.axes.end(),
                           [](uint32_t a, uint32_t b) { return b != a + 1; }) == reduce.axes.end();
    if (reduce.axes.empty() || !together) return BadOp("its axes are no neighbours");
    TRY(NeedAxis(reduce.axes.back(), In(0)));
    Shape out;
    for (uint32_t axis = 0; axis < In(0).size(); ++axis) {
      const bool goes =
          std::find(reduce.axes.begin(), reduce.axes.end(), axis) != reduce.axes.end();
      if (!goes) out.push_back(In(0)[axis]);
      if (goes && reduce.keep) out.push_back(1);
    }
    if (out.empty()) out.push_back(1);
    return out;
  }
  Result<Shape> Of(const op::Paste& paste) {
    TRY(NeedOperands(1, 2));
    TRY(NeedWeights(0, 0));
    TRY(NeedAxis(paste.axis, paste.shape));
    const Shape& part = In(op_.ins.size() - 1);
    Shape expected = paste.shape;
    expected[paste.axis] = part.size() > paste.axis ? part[paste.axis] : 0;
    const bool inside = paste.begin <= paste.shape[paste.axis] &&
                        expected[paste.axis] <= paste.shape[paste.axis] - paste.begin;
    if (part != expected || !inside || (op_.ins.size() == 2 && In(0) != paste.shape)) {
      return BadShape(
          fmt::format("that is no part of [{}] from {} on", ShapeText(paste.shape), paste.begin));
    }
    return paste.shape;
  }

  // --- sequences ---

  Result<Shape> Of(const op::Attend& attend) {
    TRY(NeedOperands(3, 3));
    TRY(NeedWeights(0, 0));
    TRY(NeedAxes(2, 2));
    const Shape &q = In(0), &k = In(1), &v = In(2);
    if (attend.heads == 0 || attend.kv_heads == 0 || attend.heads % attend.kv_heads != 0) {
      return BadOp("its heads are no multiple of those of its keys");
    }
    const bool fits = k.size() == 2 && v.size() == 2 && k[0] == v[0] && q[1] % attend.heads == 0 &&
                      k[1] % attend.kv_heads == 0 && v[1] % attend.kv_heads == 0 &&
                      q[1] / attend.heads == k[1] / attend.kv_heads;
    if (!fits) {
      return BadShape(fmt::format("query, key and value do not suit {} heads, {} of keys",
                                  attend.heads, attend.kv_heads));
    }
    if (attend.causal && k[0] < q[0]) return BadShape("its first rows would see no key");
    return Shape{q[0], v[1] / attend.kv_heads * attend.heads};
  }
  Result<Shape> Of(const op::Recurrent& recurrent) {
    const bool lstm = recurrent.cell == op::Cell::kLstm;
    TRY(NeedOperands(1, lstm ? 3 : 2));
    TRY(NeedWeights(1, 2));
    TRY(NeedAxes(2, 2));
    const uint64_t gates = lstm ? 4 : 3, width = In(0)[1] / gates;
    if (In(0)[1] % gates != 0) return BadShape(fmt::format("it needs {} parts", gates));
    if (lstm && op_.ins.size() == 2) return BadOp("it needs h and c, or neither");
    for (size_t i = 1; i < op_.ins.size(); ++i) {
      TRY_ASSIGN(const uint64_t count, ElementCount(In(i)));
      if (count != width) return BadShape(fmt::format("its state must have {} elements", width));
    }
    TRY(NeedMatrix(0, gates * width, width));
    TRY(NeedVectors(1, gates * width));
    if (recurrent.state && lstm) return Shape{In(0)[0], 2, width};
    return Shape{In(0)[0], width};
  }

  const Graph& graph_;
  const Op& op_;
};

}  // namespace

std::string ShapeText(const Shape& shape) { return fmt::format("{}", fmt::join(shape, "x")); }

Result<uint64_t> ElementCount(const Shape& shape) {
  uint64_t count = 1;
  for (const uint64_t size : shape) {
    const std::optional<uint64_t> product = CheckedMul(count, size);
    if (!product || *product > kMostElements || size == 0) {
      return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE",
                  fmt::format("a value of {} has no elements or too many", ShapeText(shape)));
    }
    count = *product;
  }
  if (shape.empty() || shape.size() > kMostAxes) {
    return Fail(ErrorCode::kBadFile, "GRAPH_SHAPE",
                fmt::format("a value has {} axes, not 1 to {}", shape.size(), kMostAxes));
  }
  return count;
}

Result<Shape> OutputShape(const Graph& graph, const Op& op) { return ShapeRule(graph, op).Apply(); }

Result<ValueId> AppendOp(Graph& graph, std::string name, OpKind kind, std::vector<ValueId> ins,
                         std::vector<WeightId> weights) {
  Op op{
      .name = name, .kind = std::move(kind), .ins = std::move(ins), .weights = std::move(weights)};
  TRY_ASSIGN(const Shape shape, OutputShape(graph, op));
  TRY_ASSIGN(const uint64_t width, ElementCount(shape));
  const ValueId out{static_cast<uint32_t>(graph.values.size())};
  graph.values.push_back(
      {std::move(name), Rows::kTokens, width, Element::kFloat, width * sizeof(float), shape});
  op.out = out;
  graph.ops.push_back(std::move(op));
  return out;
}

}  // namespace tinyai
