#include <cmath>

#include "onnx/ops.h"

namespace tinyai {
namespace {

bool SamePlace(const Flow& a, const Flow& b) {
  return a.base == b.base && a.split == b.split && a.order == b.order;
}

// The one number that all elements are.
std::optional<float> Uniform(const Constant& constant) {
  if (constant.size() == 0) return std::nullopt;
  for (uint64_t i = 1; i < constant.size(); ++i) {
    if (constant.number(i) != constant.number(0)) return std::nullopt;
  }
  return static_cast<float>(constant.number(0));
}

// A constant beside a value of `dims`: its own axes where the value's are, without the batch.
struct Beside {
  Shape shape;        // of the value, for one sample
  Constant constant;  // with as many axes
};
Result<Beside> PutBeside(Importer& in, const Flow& flow, const Constant& constant) {
  Beside out{Importer::SampleShape(flow.dims()), constant};
  Dims& dims = out.constant.dims;
  while (dims.size() > out.shape.size() && dims[0] == 1) dims.erase(dims.begin());
  if (dims.size() > out.shape.size()) return in.Bad("its operands do not fit");
  dims.insert(dims.begin(), out.shape.size() - dims.size(), 1);
  return out;
}

// Numbers by the first axis alone, as the channels of maps have them.
bool IsByChannel(const Beside& beside) {
  const Dims& dims = beside.constant.dims;
  return dims.size() > 1 && dims[0] == beside.shape[0] && Product(dims) == dims[0];
}

Result<Flow> ByChannel(Importer& in, const Flow& flow, std::vector<float> factors,
                       std::vector<float> terms) {
  const size_t channels = factors.size();
  TRY_ASSIGN(const ValueId from, in.Sample(flow));
  TRY_ASSIGN(const WeightId scale, in.AddVector(std::move(factors), "scale"));
  TRY_ASSIGN(const WeightId shift, in.AddVector(std::move(terms), "shift"));
  TRY_ASSIGN(const WeightId mean, in.AddVector(std::vector<float>(channels), "mean"));
  TRY_ASSIGN(const WeightId variance, in.AddVector(std::vector<float>(channels, 1), "variance"));
  TRY_ASSIGN(const ValueId out, in.Emit(op::BatchNorm{0}, {from}, {scale, shift, mean, variance}));
  return Importer::Plain(out, flow.dims());
}

// The axes from the first one that the constant is not 1 in.
Result<WeightId> AsVector(Importer& in, const Beside& beside, std::string_view what) {
  const Dims& dims = beside.constant.dims;
  size_t first = 0;
  while (first + 1 < dims.size() && dims[first] == 1) ++first;
  const Dims rest(beside.shape.begin() + static_cast<ptrdiff_t>(first), beside.shape.end());
  TRY(in.Spend(rest));
  Constant constant = beside.constant;
  constant.dims.erase(constant.dims.begin(), constant.dims.begin() + static_cast<ptrdiff_t>(first));
  return in.AddVector(FloatsOf(constant, rest), what);
}

// Two values, element by element.
Result<Flow> Together(Importer& in, OpKind kind, Flow a, Flow b) {
  const std::optional<Dims> dims = BroadcastDims(a.dims(), b.dims());
  if (!dims) return in.Bad("its operands do not fit");
  if (Product(a.dims()) < Product(b.dims())) std::swap(a, b);
  if (Product(a.dims()) != Product(*dims)) {
    return in.Unsupported("both of its operands would have to be repeated");
  }
  TRY_ASSIGN(a, Relabel(in, a, *dims));
  const Shape shape = Importer::SampleShape(*dims);
  Shape second = b.dims();
  second.insert(second.begin(), dims->size() - second.size(), 1);
  if (shape.size() < second.size()) second.erase(second.begin());
  if (second.empty()) second = {1};
  TRY_ASSIGN(const ValueId x, in.As(a, shape));
  TRY_ASSIGN(const ValueId y, in.As(b, second));
  TRY_ASSIGN(const ValueId out, in.Emit(std::move(kind), {x, y}));
  return Importer::Plain(out, *dims);
}

Result<Flow> Product(Importer& in, Flow a, Flow b) {
  const float scale = a.scale * b.scale;
  a.scale = b.scale = 1;
  TRY_ASSIGN(Flow out, Together(in, op::Mul{}, std::move(a), std::move(b)));
  out.scale = scale;
  return out;
}

const Part* AsPart(const Known& known, Part::Kind kind) {
  const auto* const part = std::get_if<Part>(&known);
  return part != nullptr && part->kind == kind ? part : nullptr;
}

bool HasScores(Importer& in, const OnnxNode& node) {
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Result<const Known*> known = in.In(node, i);
    if (known && std::holds_alternative<Scores>(**known)) return true;
  }
  return false;
}

// x times a function of x that is kept for this; nothing if the operands are something else.
Result<std::optional<Known>> Gated(Importer& in, const Known& gate, const Known& other) {
  const auto* const part = std::get_if<Part>(&gate);
  if (part == nullptr) return std::nullopt;
  using Kind = Part::Kind;
  const auto* const centered = AsPart(other, Kind::kCentered);
  if (part->kind == Kind::kCentered && centered != nullptr && SamePlace(part->of, centered->of)) {
    Part squared = *part;
    squared.kind = Kind::kSquared;
    return Known(squared);
  }
  const auto* const x = std::get_if<Flow>(&other);
  if (x == nullptr || !SamePlace(part->of, *x)) return std::nullopt;
  const bool same = part->of.scale == x->scale;
  std::optional<Flow> out;
  if (part->kind == Kind::kSigmoid && same) {
    TRY_ASSIGN(out, in.EmitActivation(*x, op::Function::kSilu));
  } else if (part->kind == Kind::kHardSigmoid && same) {
    TRY_ASSIGN(out, in.EmitActivation(*x, op::Function::kHardSwish));
  } else if (part->kind == Kind::kErfPlusOne) {
    TRY_ASSIGN(out, in.EmitActivation(part->of, op::Function::kGelu));
    out->scale = 2 * part->scale * x->scale;
  }
  if (!out) return std::nullopt;
  return Known(*out);
}

// (x - mean) / deviation, and what is multiplied and added next if that are the norm's weights.
Status ImportNormed(Importer& in, const OnnxNode& node, const Part& deviation) {
  const uint64_t last = deviation.of.dims().back();
  TRY(in.Spend({last}));
  std::vector<float> scale(last, 1), shift(last);
  const OnnxNode* end = &node;
  const auto is_row = [&](const Constant& constant) {
    return constant.size() == last && !constant.dims.empty() && constant.dims.back() == last;
  };
  auto next = in.FollowedBy(node.outputs[0], "Mul");
  if (next && is_row(*next->constant)) {
    scale = FloatsOf(*next->constant, next->constant->dims);
    in.MarkDone(*next->node);
    end = next->node;
    next = in.FollowedBy(end->outputs[0], "Add");
    if (next && is_row(*next->constant)) {
      shift = FloatsOf(*next->constant, next->constant->dims);
      in.MarkDone(*next->node);
      end = next->node;
    }
  }
  TRY_ASSIGN(const ValueId x, in.Sample(deviation.of));
  TRY_ASSIGN(const WeightId scales, in.AddVector(std::move(scale), "scale"));
  TRY_ASSIGN(const WeightId shifts, in.AddVector(std::move(shift), "shift"));
  TRY_ASSIGN(const ValueId out, in.Emit(op::LayerNorm{deviation.epsilon}, {x}, {scales, shifts}));
  in.Set(*end, 0, Importer::Plain(out, deviation.of.dims()));
  return {};
}

Constant Mapped(const Constant& constant, double (*function)(double)) {
  Constant out{.dims = constant.dims};
  for (uint64_t i = 0; i < constant.size(); ++i) {
    out.floats.push_back(static_cast<float>(function(constant.number(i))));
  }
  return out;
}

// Which operand is a constant, if one is.
std::optional<size_t> ConstantOperand(Importer& in, const OnnxNode& node) {
  for (size_t i = 0; i < 2; ++i) {
    if (in.IsConstant(node, i)) return i;
  }
  return std::nullopt;
}

}  // namespace

Result<Flow> WithConstant(Importer& in, const Flow& from, const Constant& constant, bool add) {
  const std::optional<Dims> dims = BroadcastDims(from.dims(), constant.dims);
  if (!dims) return in.Bad("its operands do not fit");
  if (Product(*dims) != Product(from.dims())) {
    return in.Unsupported("a value would have to be repeated to the shape of a constant");
  }
  TRY_ASSIGN(Flow flow, Relabel(in, from, *dims));
  const std::optional<float> uniform = Uniform(constant);
  if (uniform && !add) {
    flow.scale *= *uniform;
    return flow;
  }
  TRY_ASSIGN(Beside beside, PutBeside(in, flow, constant));
  if (uniform) {
    TRY(in.Spend({beside.shape.back()}));
    beside.constant = {.dims = Dims(beside.shape.size(), 1), .floats = {*uniform}};
    beside.constant.dims.back() = beside.shape.back();
    beside.constant.floats.resize(beside.shape.back(), *uniform);
  } else if (IsByChannel(beside)) {
    std::vector<float> numbers = FloatsOf(beside.constant, beside.constant.dims);
    std::vector<float> rest(numbers.size(), add ? 1.0F : 0.0F);
    return add ? ByChannel(in, flow, std::move(rest), std::move(numbers))
               : ByChannel(in, flow, std::move(numbers), std::move(rest));
  }
  TRY_ASSIGN(const ValueId x, in.Sample(flow));
  TRY_ASSIGN(const WeightId vector, AsVector(in, beside, add ? "term" : "factor"));
  TRY_ASSIGN(const ValueId out,
             in.Emit(add ? OpKind(op::Add{}) : OpKind(op::Mul{}), {x}, {vector}));
  return Importer::Plain(out, *dims);
}

Status ImportMul(Importer& in, const OnnxNode& node) {
  if (HasScores(in, node)) return ImportScoresWith(in, node);
  TRY_ASSIGN(const Known* const a, in.In(node, 0));
  TRY_ASSIGN(const Known* const b, in.In(node, 1));
  if (const std::optional<size_t> which = ConstantOperand(in, node)) {
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, *which));
    const Known& other = *which == 0 ? *b : *a;
    const std::optional<float> uniform = Uniform(*constant);
    if (const Part* const part = AsPart(other, Part::Kind::kErfPlusOne); part && uniform) {
      Part scaled = *part;
      scaled.scale *= *uniform;
      in.Set(node, 0, scaled);
      return {};
    }
    TRY_ASSIGN(const Flow flow, in.FlowOf(other));
    const auto next = in.FollowedBy(node.outputs[0], "Add");
    if (next && !uniform) {  // factors and terms of channels are one op
      TRY_ASSIGN(const Beside factor, PutBeside(in, flow, *constant));
      TRY_ASSIGN(const Beside term, PutBeside(in, flow, *next->constant));
      if (IsByChannel(factor) && IsByChannel(term)) {
        TRY_ASSIGN(Flow out, ByChannel(in, flow, FloatsOf(factor.constant, factor.constant.dims),
                                       FloatsOf(term.constant, term.constant.dims)));
        in.MarkDone(*next->node);
        in.Set(*next->node, 0, std::move(out));
        return {};
      }
    }
    TRY_ASSIGN(Flow out, WithConstant(in, flow, *constant, false));
    in.Set(node, 0, std::move(out));
    return {};
  }
  TRY_ASSIGN(std::optional<Known> gated, Gated(in, *a, *b));
  if (!gated) {
    TRY_ASSIGN(gated, Gated(in, *b, *a));
  }
  if (gated) {
    in.Set(node, 0, std::move(*gated));
    return {};
  }
  TRY_ASSIGN(Flow x, in.FlowOf(*a));
  TRY_ASSIGN(Flow y, in.FlowOf(*b));
  TRY_ASSIGN(Flow out, Product(in, std::move(x), std::move(y)));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportAdd(Importer& in, const OnnxNode& node) {
  if (HasScores(in, node)) return ImportScoresWith(in, node);
  if (const std::optional<size_t> which = ConstantOperand(in, node)) {
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, *which));
    TRY_ASSIGN(const Known* const other, in.In(node, 1 - *which));
    const std::optional<float> uniform = Uniform(*constant);
    const Part* const erf = AsPart(*other, Part::Kind::kErf);
    const Part* const variance = AsPart(*other, Part::Kind::kVariance);
    if (uniform && ((erf != nullptr && *uniform == 1) || variance != nullptr)) {
      Part next = erf != nullptr ? *erf : *variance;
      next.kind = erf != nullptr ? Part::Kind::kErfPlusOne : Part::Kind::kVariancePlus;
      next.epsilon = *uniform;
      in.Set(node, 0, std::move(next));
      return {};
    }
    TRY_ASSIGN(const Flow flow, in.FlowOf(*other));
    TRY_ASSIGN(Flow out, WithConstant(in, flow, *constant, true));
    in.Set(node, 0, std::move(out));
    return {};
  }
  TRY_ASSIGN(Flow x, in.FlowIn(node, 0));
  TRY_ASSIGN(Flow y, in.FlowIn(node, 1));
  TRY_ASSIGN(Flow out, Together(in, op::Add{}, std::move(x), std::move(y)));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportSub(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const a, in.In(node, 0));
  TRY_ASSIGN(const Known* const b, in.In(node, 1));
  const auto* const x = std::get_if<Flow>(a);
  const Part* const mean = AsPart(*b, Part::Kind::kMean);
  if (x != nullptr && mean != nullptr && SamePlace(*x, mean->of) && x->scale == mean->of.scale) {
    in.Set(node, 0, Part{.kind = Part::Kind::kCentered, .of = *x, .dims = x->dims()});
    return {};
  }
  if (in.IsConstant(node, 1)) {
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, 1));
    TRY_ASSIGN(const Flow flow, in.FlowOf(*a));
    TRY_ASSIGN(Flow out,
               WithConstant(in, flow, Mapped(*constant, [](double v) { return -v; }), true));
    in.Set(node, 0, std::move(out));
    return {};
  }
  TRY_ASSIGN(Flow minus, in.FlowOf(*b));
  minus.scale = -minus.scale;
  Result<Flow> out = Flow();
  if (in.IsConstant(node, 0)) {
    TRY_ASSIGN(const auto constant, in.ConstantIn(node, 0));
    out = WithConstant(in, minus, *constant, true);
  } else {
    TRY_ASSIGN(Flow plus, in.FlowOf(*a));
    out = Together(in, op::Add{}, std::move(plus), std::move(minus));
  }
  if (!out) return tl::unexpected<Error>(std::move(out).error());
  in.Set(node, 0, *std::move(out));
  return {};
}

Status ImportDiv(Importer& in, const OnnxNode& node) {
  if (HasScores(in, node)) return ImportScoresWith(in, node);
  TRY_ASSIGN(const Known* const a, in.In(node, 0));
  TRY_ASSIGN(const Known* const b, in.In(node, 1));
  const Part* const centered = AsPart(*a, Part::Kind::kCentered);
  const Part* const deviation = AsPart(*b, Part::Kind::kDeviation);
  if (centered && deviation && SamePlace(centered->of, deviation->of)) {
    return ImportNormed(in, node, *deviation);
  }
  if (!in.IsConstant(node, 1)) return in.Unsupported("division by a computed value");
  TRY_ASSIGN(const auto constant, in.ConstantIn(node, 1));
  TRY_ASSIGN(const Flow flow, in.FlowOf(*a));
  TRY_ASSIGN(Flow out,
             WithConstant(in, flow, Mapped(*constant, [](double v) { return 1 / v; }), false));
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportPow(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const auto exponent, in.ConstantIn(node, 1));
  const std::optional<float> power = Uniform(*exponent);
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  if (power == 0.5F) return ImportSqrt(in, node);
  if (power != 2 && power != 3) return in.Unsupported("powers but the second and the third");
  if (const Part* const part = AsPart(*known, Part::Kind::kCentered); part && power == 2) {
    Part squared = *part;
    squared.kind = Part::Kind::kSquared;
    in.Set(node, 0, squared);
    return {};
  }
  TRY_ASSIGN(const Flow x, in.FlowOf(*known));
  TRY_ASSIGN(Flow out, Product(in, x, x));
  if (power == 3) {
    TRY_ASSIGN(out, Product(in, out, x));
  }
  in.Set(node, 0, std::move(out));
  return {};
}

Status ImportSqrt(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(const Known* const known, in.In(node, 0));
  const Part* const part = AsPart(*known, Part::Kind::kVariancePlus);
  if (part == nullptr) return in.Unsupported("roots are only known in layer norms");
  Part next = *part;
  next.kind = Part::Kind::kDeviation;
  in.Set(node, 0, std::move(next));
  return {};
}

Status ImportNeg(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow flow, in.FlowIn(node, 0));
  flow.scale = -flow.scale;
  in.Set(node, 0, std::move(flow));
  return {};
}

Status ImportSum(Importer& in, const OnnxNode& node) {
  TRY_ASSIGN(Flow sum, in.FlowIn(node, 0));
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    TRY_ASSIGN(Flow next, in.FlowIn(node, i));
    TRY_ASSIGN(sum, Together(in, op::Add{}, std::move(sum), std::move(next)));
  }
  in.Set(node, 0, std::move(sum));
  return {};
}

}  // namespace tinyai
