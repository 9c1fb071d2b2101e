#include "onnx/importer.h"

#include <algorithm>
#include <numeric>

#include "base/escape.h"
#include "fmt/format.h"
#include "format/gguf_input.h"
#include "graph/shapes.h"
#include "onnx/ops.h"

namespace tinyai {
namespace {

// Before 7 operands were repeated by other rules; what is newer may mean something else.
constexpr uint64_t kOldestOpset = 7, kNewestOpset = 25;
// Of shapes on the way; those of the graph have fewer.
constexpr size_t kMostAxes = 16;
// Several times the masks of 48 layers over 1,024 positions, each taken apart in several nodes; and
// what is there of them at once, 128 MiB as floats.
constexpr uint64_t kMostSpent = uint64_t{1} << 28, kMostHeld = uint64_t{1} << 25;

// What an op is for, where the kind alone says it.
LayerRole RoleOf(const OpKind& kind) {
  if (std::holds_alternative<op::Conv>(kind) || std::holds_alternative<op::ConvTranspose>(kind)) {
    return LayerRole::kConv;
  }
  if (std::holds_alternative<op::BatchNorm>(kind) || std::holds_alternative<op::LayerNorm>(kind) ||
      std::holds_alternative<op::GroupNorm>(kind) || std::holds_alternative<op::RmsNorm>(kind)) {
    return LayerRole::kNorm;
  }
  if (std::holds_alternative<op::Lookup>(kind)) return LayerRole::kEmbedding;
  if (std::holds_alternative<op::Attend>(kind)) return LayerRole::kAttention;
  return LayerRole::kOther;
}

// A matrix in the file, turned to `dims`.
Constant TurnedMatrix(const Constant& from, const Dims& dims) {
  Constant out = from;
  for (uint64_t i = 0; i < from.size(); ++i) {
    const uint64_t at = i % dims[1] * dims[0] + i / dims[1];
    if (from.is_float) {
      out.floats[i] = from.floats[at];
    } else {
      out.integers[i] = from.integers[at];
    }
  }
  return out;
}

tl::unexpected<Error> BadGraph(const OnnxModel& model, std::string message) {
  return FailAt(ErrorCode::kBadFile, "ONNX_GRAPH", std::move(message), model.parts[0]);
}

}  // namespace

Result<ImportedOnnx> ImportOnnx(const OnnxModel& model, OnnxParts parts,
                                const OnnxOptions& options) {
  return Importer(model, parts, options).Import();
}

Result<ImportedOnnx> Importer::Import() {
  TRY(Prepare());
  TRY(AddInputs());
  for (const OnnxNode& node : model_.nodes) {
    if (!needed_.contains(&node) || done_.contains(&node)) continue;
    node_ = &node;
    TRY(ImportNode(node));
    TRY(CheckHeld());
    Release(node);
  }
  TRY_ASSIGN(std::vector<ValueId> outputs, Outputs());
  if (builder_.graph().layers.empty())
    return BadGraph(model_, "nothing is computed from its inputs");
  TRY_ASSIGN(Graph graph, builder_.Finish(std::move(outputs)));
  const auto last =
      std::find_if(graph.layers.rbegin(), graph.layers.rend(), [&](const Layer& layer) {
        return IsProduct(graph.ops[layer.first_op + layer.op_count - 1].kind);
      });
  if (last != graph.layers.rend() && last->role == LayerRole::kOther) {
    last->role = LayerRole::kOutput;
  }
  return ImportedOnnx{std::move(graph), std::move(recipes_)};
}

// Who reads what, and which nodes the outputs need.
Status Importer::Prepare() {
  if (model_.opset < kOldestOpset || model_.opset > kNewestOpset) {
    return FailAt(ErrorCode::kUnsupported, "ONNX_VERSION",
                  fmt::format("its ops are those of version {}; {} to {} are supported",
                              model_.opset, kOldestOpset, kNewestOpset),
                  model_.parts[0]);
  }
  if (model_.outputs.empty()) return BadGraph(model_, "the graph has no output");
  std::unordered_map<std::string_view, const OnnxNode*> maker;
  for (const OnnxNode& node : model_.nodes) {
    for (const std::string& name : node.outputs) {
      if (!name.empty() && !maker.emplace(name, &node).second) {
        return BadGraph(model_, fmt::format("two nodes make '{}'", Shown(name)));
      }
    }
  }
  std::vector<const OnnxNode*> pending;
  const auto need = [&](const std::string& name) {
    const auto found = maker.find(name);
    if (found != maker.end() && needed_.insert(found->second).second) {
      pending.push_back(found->second);
    }
  };
  for (const std::string& name : model_.outputs) {
    outputs_.insert(name);
    need(name);
  }
  while (!pending.empty()) {
    const OnnxNode* const node = pending.back();
    pending.pop_back();
    for (const std::string& name : node->inputs) {
      if (name.empty()) continue;
      readers_[name].push_back(node);
      ++reads_left_[name];
      need(name);
    }
  }
  for (const OnnxTensor& tensor : model_.initializers) {
    known_.emplace(tensor.name, Stored{&tensor, tensor.dims});
  }
  return {};
}

Status Importer::AddInputs() {
  for (const OnnxInput& input : model_.inputs) {
    if (!readers_.contains(input.name) && !outputs_.contains(input.name)) continue;
    if (ElementBytes(input.type) == 0) {
      return FailAt(ErrorCode::kUnsupported, "ONNX_TYPE",
                    fmt::format("the input '{}' is no tensor of numbers", Shown(input.name)),
                    model_.parts[0]);
    }
    TRY_ASSIGN(Dims dims, InputDims(input));
    TRY_ASSIGN(const ValueId id, builder_.Input(NewName(input.name, op_names_), SampleShape(dims)));
    known_[input.name] = Plain(id, std::move(dims));
  }
  return {};
}

Result<Dims> Importer::InputDims(const OnnxInput& input) const {
  Dims dims;
  for (const OnnxInput::Dim& dim : input.dims) {
    const auto given = options_.sizes.find(dim.symbol);
    if (dim.size != 0) {
      dims.push_back(dim.size);
    } else if (!dim.symbol.empty() && given != options_.sizes.end()) {
      dims.push_back(given->second);
    } else if (dims.empty()) {
      dims.push_back(1);  // the batch
    } else {
      return FailAt(
          ErrorCode::kUsage, "ONNX_SHAPE",
          fmt::format("axis {} of the input '{}' has no size; {}", dims.size(), Shown(input.name),
                      dim.symbol.empty() ? std::string("export the model with one")
                                         : fmt::format("say --dim {}=SIZE", Shown(dim.symbol))),
          model_.parts[0]);
    }
  }
  return dims;
}

Status Importer::ImportNode(const OnnxNode& node) {
  if (!node.domain.empty()) {
    return Unsupported(fmt::format("ops of '{}' are not supported", Shown(node.domain)));
  }
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!Has(node, i)) continue;
    TRY_ASSIGN(const Known* const known, In(node, i));
    if (DimsOf(*known).size() > kMostAxes) return Unsupported("an operand has too many axes");
  }
  TRY_ASSIGN(const bool folded, Fold(*this, node));
  if (folded) return {};
  const NodeRule rule = FindRule(node.op);
  if (rule == nullptr) return Unsupported("there is no such op here");
  return rule(*this, node);
}

void Importer::Release(const OnnxNode& node) {
  for (const std::string& name : node.inputs) {
    const auto left = reads_left_.find(name);
    if (left == reads_left_.end() || --left->second != 0) continue;
    const auto found = known_.find(name);
    if (found == known_.end()) continue;
    const auto* const constant = std::get_if<std::shared_ptr<const Constant>>(&found->second);
    if (constant == nullptr || outputs_.contains(name)) continue;
    held_ -= (*constant)->size();
    known_.erase(found);
  }
}

Status Importer::CheckHeld() const {
  if (held_ <= kMostHeld) return {};
  return Unsupported("constants of more than 2^25 elements are there at once");
}

Result<std::vector<ValueId>> Importer::Outputs() {
  std::vector<ValueId> outputs;
  for (const std::string& name : model_.outputs) {
    const auto found = known_.find(name);
    if (found == known_.end()) {
      return BadGraph(model_, fmt::format("nobody makes the output '{}'", Shown(name)));
    }
    if (!std::holds_alternative<Flow>(found->second) &&
        !std::holds_alternative<Part>(found->second)) {
      return BadGraph(model_, fmt::format("the output '{}' does not depend on the inputs, or is in "
                                          "the middle of attention",
                                          Shown(name)));
    }
    TRY_ASSIGN(const Flow flow, FlowOf(found->second));
    TRY_ASSIGN(outputs.emplace_back(), Sample(flow));
  }
  return outputs;
}

// --- the node under way ---

std::string Importer::NodeName() const {
  if (node_ == nullptr) return "input";
  if (!node_->name.empty() || node_->outputs.empty()) return node_->name;
  return node_->outputs[0];
}
tl::unexpected<Error> Importer::Unsupported(std::string_view why) const {
  return FailAt(ErrorCode::kUnsupported, "ONNX_OP",
                fmt::format("{} '{}': {}", Shown(node_->op), Shown(NodeName()), why),
                model_.parts[0], node_->offset);
}
tl::unexpected<Error> Importer::Bad(std::string_view why) const {
  return FailAt(ErrorCode::kBadFile, "ONNX_OP",
                fmt::format("{} '{}': {}", Shown(node_->op), Shown(NodeName()), why),
                model_.parts[0], node_->offset);
}

bool Importer::Has(const OnnxNode& node, size_t input) const {
  return input < node.inputs.size() && !node.inputs[input].empty();
}
Result<const Known*> Importer::In(const OnnxNode& node, size_t input) const {
  if (!Has(node, input)) return Bad(fmt::format("operand {} is missing", input));
  const auto found = known_.find(node.inputs[input]);
  if (found != known_.end()) return &found->second;
  return BadGraph(model_,
                  fmt::format("{} '{}' reads '{}', which nobody has made before", Shown(node.op),
                              Shown(NodeName()), Shown(node.inputs[input])));
}
Result<Flow> Importer::FlowIn(const OnnxNode& node, size_t input) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  return FlowOf(*known);
}
bool Importer::IsConstant(const OnnxNode& node, size_t input) const {
  const Result<const Known*> known = In(node, input);
  return known && (std::holds_alternative<Stored>(**known) ||
                   std::holds_alternative<std::shared_ptr<const Constant>>(**known));
}
Result<std::shared_ptr<const Constant>> Importer::ConstantIn(const OnnxNode& node, size_t input) {
  TRY_ASSIGN(const Known* const known, In(node, input));
  if (IsConstant(node, input)) TRY(Spend(DimsOf(*known)));
  if (const auto* const constant = std::get_if<std::shared_ptr<const Constant>>(known)) {
    return *constant;
  }
  const auto* const stored = std::get_if<Stored>(known);
  if (stored == nullptr) {
    return Unsupported(fmt::format("operand {} must not depend on the inputs", input));
  }
  TRY_ASSIGN(Constant constant, LoadConstant(*stored->tensor, parts_));
  if (stored->transposed) constant = TurnedMatrix(constant, stored->dims);
  constant.dims = stored->dims;
  return std::make_shared<const Constant>(std::move(constant));
}
Result<std::optional<std::vector<int64_t>>> Importer::IntegersIn(const OnnxNode& node,
                                                                 size_t input) {
  if (!Has(node, input)) return std::nullopt;
  TRY_ASSIGN(const auto constant, ConstantIn(node, input));
  if (constant->is_float) return Bad(fmt::format("operand {} must be integers", input));
  return constant->integers;
}
Status Importer::Spend(const Dims& dims) {
  // Without elements there are still axes to go along.
  uint64_t elements = 1, axes = 0;
  for (const uint64_t size : dims) {
    const auto next = CheckedMul(elements, std::max<uint64_t>(size, 1));
    if (!next || *next > kMostConstantElements) {
      return Unsupported("numbers beside the model's weights, of more than 2^22 elements");
    }
    elements = *next;
    axes += size != 1 ? 1 : 0;
  }
  spent_ += elements * std::max<uint64_t>(axes, 1);
  if (spent_ <= kMostSpent) return {};
  return Unsupported("the model computes more constants than can be needed");
}
void Importer::Set(const OnnxNode& node, size_t output, Known known) {
  if (output >= node.outputs.size() || node.outputs[output].empty()) return;
  if (const auto* const constant = std::get_if<std::shared_ptr<const Constant>>(&known)) {
    held_ += (*constant)->size();
  }
  known_[node.outputs[output]] = std::move(known);
}
bool Importer::IsUsed(const OnnxNode& node, size_t output) const {
  if (output >= node.outputs.size() || node.outputs[output].empty()) return false;
  return readers_.contains(node.outputs[output]) || outputs_.contains(node.outputs[output]);
}
Dims Importer::DimsOf(const Known& known) {
  if (const auto* const constant = std::get_if<std::shared_ptr<const Constant>>(&known)) {
    return (*constant)->dims;
  }
  if (const auto* const flow = std::get_if<Flow>(&known)) return flow->dims();
  if (const auto* const part = std::get_if<Part>(&known)) return part->dims;
  if (const auto* const scores = std::get_if<Scores>(&known)) return scores->dims;
  return std::get<Stored>(known).dims;
}

std::optional<Importer::Follower> Importer::FollowedBy(const std::string& value,
                                                       std::string_view op) {
  const auto found = readers_.find(value);
  if (found == readers_.end() || found->second.size() != 1 || outputs_.contains(value)) return {};
  const OnnxNode& next = *found->second[0];
  if (next.op != op || !next.domain.empty() || next.inputs.size() != 2) return {};
  const size_t other = next.inputs[0] == value ? 1 : 0;
  if (!known_.contains(next.inputs[other]) || !IsConstant(next, other)) return {};
  Result<std::shared_ptr<const Constant>> constant = ConstantIn(next, other);
  if (!constant) return {};
  return Follower{&next, *std::move(constant)};
}

// --- values ---

Flow Importer::Plain(ValueId id, Dims dims) {
  Flow flow{.base = id, .split = std::move(dims)};
  flow.order.resize(flow.split.size());
  std::iota(flow.order.begin(), flow.order.end(), 0u);
  return flow;
}
Flow Importer::Permuted(Flow flow, std::span<const uint32_t> order) {
  std::vector<uint32_t> next;
  for (const uint32_t axis : order) next.push_back(flow.order[axis]);
  flow.order = std::move(next);
  return flow;
}
Shape Importer::SampleShape(const Dims& dims) {
  if (dims.empty()) return {1};
  return {dims.begin() + (dims.size() > 1 && dims[0] == 1 ? 1 : 0), dims.end()};
}

Result<ValueId> Importer::As(const Flow& flow, const Shape& shape) {
  TRY_ASSIGN(ValueId value, Turned(flow));
  if (flow.scale != 1) {
    const auto found = scaled_.find({value, flow.scale});
    if (found != scaled_.end()) {
      value = found->second;
    } else {
      const ValueId plain = value;
      const uint64_t row = builder_.graph().value(value).shape.back();
      TRY(Spend({row}));
      TRY_ASSIGN(const WeightId factors, AddVector(std::vector<float>(row, flow.scale), "scale"));
      TRY_ASSIGN(value, Emit(op::Mul{}, {plain}, {factors}));
      scaled_.emplace(std::pair(plain, flow.scale), value);
    }
  }
  return Reshaped(value, shape);
}

// The elements in the order of the flow's axes, in any shape.
Result<ValueId> Importer::Turned(const Flow& flow) {
  // Axes of 1 mean nothing here, and those that stay neighbours are one.
  std::vector<uint32_t> order;
  for (const uint32_t axis : flow.order) {
    if (flow.split[axis] != 1) order.push_back(axis);
  }
  Dims split;
  std::vector<uint32_t> place(flow.split.size(), UINT32_MAX);
  for (uint32_t axis = 0; axis < flow.split.size(); ++axis) {
    if (flow.split[axis] == 1) continue;
    const auto here = std::ranges::find(order, axis);
    const bool joins = here != order.begin() && !split.empty() && [&] {
      const uint32_t before = *(here - 1);
      return before < axis &&
             std::all_of(flow.split.begin() + before + 1, flow.split.begin() + axis,
                         [](uint64_t size) { return size == 1; });
    }();
    if (joins) {
      split.back() *= flow.split[axis];
    } else {
      place[axis] = static_cast<uint32_t>(split.size());
      split.push_back(flow.split[axis]);
    }
  }
  std::erase_if(order, [&](uint32_t axis) { return place[axis] == UINT32_MAX; });
  for (uint32_t& axis : order) axis = place[axis];
  if (std::ranges::is_sorted(order)) return flow.base;
  const auto key = std::tuple(flow.base, split, order);
  const auto found = turned_.find(key);
  if (found != turned_.end()) return found->second;
  TRY_ASSIGN(const ValueId from, Reshaped(flow.base, split));
  TRY_ASSIGN(const ValueId out, Emit(op::Transpose{order}, {from}));
  turned_.emplace(key, out);
  return out;
}

Result<ValueId> Importer::Reshaped(ValueId value, const Shape& shape) {
  if (builder_.graph().value(value).shape == shape) return value;
  const auto found = reshaped_.find({value, shape});
  if (found != reshaped_.end()) return found->second;
  TRY_ASSIGN(const ValueId out, Emit(op::Reshape{shape}, {value}));
  reshaped_.emplace(std::pair(value, shape), out);
  return out;
}

Result<Flow> Importer::FlowOf(const Known& known) {
  if (const auto* const flow = std::get_if<Flow>(&known)) return *flow;
  if (const auto* const part = std::get_if<Part>(&known)) return FlowOfPart(*part);
  if (std::holds_alternative<Scores>(known)) {
    return Unsupported(
        "a product of two computed values is only known in attention, that is "
        "softmax(q k + constant mask) v");
  }
  return Unsupported("an operand that does not depend on the inputs must be the other one");
}

Result<Flow> Importer::FlowOfPart(const Part& part) {
  using Kind = Part::Kind;
  switch (part.kind) {
    case Kind::kSigmoid:
      return EmitActivation(part.of, op::Function::kSigmoid);
    case Kind::kHardSigmoid:
      return EmitActivation(part.of, op::Function::kHardSigmoid);
    case Kind::kMean: {
      const Dims dims = part.of.dims();
      TRY_ASSIGN(const ValueId in, As(part.of, {Product(dims) / dims.back(), dims.back()}));
      TRY_ASSIGN(const ValueId out, Emit(op::Reduce{op::ReduceKind::kMean, {1}, true}, {in}));
      return Plain(out, part.dims);
    }
    case Kind::kCentered: {
      Part mean = part;
      mean.kind = Kind::kMean;
      mean.dims.back() = 1;
      TRY_ASSIGN(Flow minus, FlowOfPart(mean));
      minus.scale = -1;
      const uint64_t last = part.dims.back(), rows = Product(part.dims) / last;
      TRY_ASSIGN(const ValueId x, As(part.of, {rows, last}));
      TRY_ASSIGN(const ValueId m, As(minus, {rows, 1}));
      TRY_ASSIGN(const ValueId out, Emit(op::Add{}, {x, m}));
      return Plain(out, part.dims);
    }
    case Kind::kSquared: {
      Part centered = part;
      centered.kind = Kind::kCentered;
      TRY_ASSIGN(const Flow x, FlowOfPart(centered));
      TRY_ASSIGN(const ValueId in, Sample(x));
      TRY_ASSIGN(const ValueId out, Emit(op::Mul{}, {in, in}));
      return Plain(out, part.dims);
    }
    default:
      return Unsupported("roots and the error function are only known in norms and in GELU");
  }
}

Result<ValueId> Importer::Emit(OpKind kind, std::vector<ValueId> ins,
                               std::vector<WeightId> weights) {
  std::string name = NewName(NodeName(), op_names_);
  const LayerRole role = RoleOf(kind);
  return builder_.Layer(std::move(name), role, std::move(kind), std::move(ins), std::move(weights));
}
Result<Flow> Importer::EmitActivation(const Flow& flow, op::Function function, float alpha) {
  TRY_ASSIGN(const ValueId in, Sample(flow));
  TRY_ASSIGN(const ValueId out, Emit(op::Activation{function, alpha}, {in}));
  return Plain(out, flow.dims());
}

std::string Importer::NewName(std::string_view wanted, Names& names) const {
  constexpr size_t kMostBytes = 900;  // less than kMaxTensorNameBytes, with what is added
  std::string base(wanted.substr(0, kMostBytes));
  if (base.empty() || !IsPrintable(base)) base = "unnamed";
  if (names.emplace(base, 2).second) return base;
  while (true) {
    std::string name = fmt::format("{}.{}", base, names[base]++);
    if (names.emplace(name, 2).second) return name;
  }
}

}  // namespace tinyai
