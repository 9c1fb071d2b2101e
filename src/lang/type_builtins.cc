#include <algorithm>
#include <span>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "lang/nearest_name.h"
#include "lang/print_schedule.h"
#include "lang/type_expr.h"

// What the language can call: conversions, elementwise functions, and those that change shapes.
namespace tinyai {
namespace {

using Kind = ExprNode::Kind;

struct Elementary {
  std::string_view name;
  Kind kind;
};
constexpr Elementary kFractional[] = {
    {"sqrt", Kind::kSqrt}, {"exp", Kind::kExp},   {"log", Kind::kLog},     {"sin", Kind::kSin},
    {"cos", Kind::kCos},   {"tanh", Kind::kTanh}, {"floor", Kind::kFloor}, {"pow", Kind::kPow}};
constexpr Elementary kElementwise[] = {
    {"abs", Kind::kAbs}, {"min", Kind::kMin}, {"max", Kind::kMax}};
constexpr Elementary kReductions[] = {
    {"sum", Kind::kSum}, {"least", Kind::kReduceMin}, {"most", Kind::kReduceMax}};

std::optional<Kind> KindOf(std::span<const Elementary> table, std::string_view name) {
  for (const Elementary& row : table) {
    if (row.name == name) return row.kind;
  }
  return std::nullopt;
}

}  // namespace

const std::vector<std::string_view>& BuiltinNames() {
  static const std::vector<std::string_view> names = {
      "input",  "sqrt",    "exp",  "log",  "sin",   "cos",    "tanh",      "floor",
      "pow",    "abs",     "min",  "max",  "sum",   "least",  "most",      "rows",
      "concat", "reshape", "fill", "iota", "shift", "matmul", "transpose", "histogram"};
  return names;
}

ExprTyper::MaybeTyped ExprTyper::Call(const ExprTree& expr, const ProgramType* wanted) {
  const ExprTree& callee = expr.operands[0];
  if (callee.kind != ExprTree::Kind::kName) {
    out_.Error("T2", callee.where, fmt::format("'{}' is no function", Text(callee)));
    return std::nullopt;
  }
  const std::string_view name = callee.text;
  if (const auto found = callables_.functions.find(name); found != callables_.functions.end()) {
    const Callables::Function& function = found->second;
    const bool whole = &expr == whole_;
    if (function.results.size() != (whole ? results_ : 1)) {
      out_.Error("T2", expr.where, fmt::format("{} has {} results", name, function.results.size()))
          .Help(function.results.size() == 1
                    ? "give it one name"
                    : fmt::format("give each a name: a, b = {}(..)", name));
      return std::nullopt;
    }
    MaybeTyped out =
        Callee(expr, Kind::kCall, function.index, function.params, function.results[0]);
    if (whole) call_results_ = function.results;
    return out;
  }
  if (results_ != 1 && &expr == whole_) {
    out_.Error("T2", expr.where, fmt::format("{} has one result", name)).Help("give it one name");
    return std::nullopt;
  }
  if (const auto found = callables_.externs.find(name); found != callables_.externs.end()) {
    const ProgramExtern& one = program_.externs[found->second];
    return Callee(expr, Kind::kExtern, found->second, one.params, one.result);
  }
  if (const auto found = callables_.classes.find(name); found != callables_.classes.end()) {
    const ProgramExtern& one = program_.externs[program_.classes[found->second].externs[0]];
    return Callee(expr, Kind::kClass, found->second, one.params, one.result);
  }
  if (const std::optional<Scalar> scalar = ScalarOf(name)) return Convert(expr, *scalar);
  bool known = true;
  MaybeTyped out = Builtin(expr, name, wanted, known);
  if (known) return out;
  Diagnostic& error =
      out_.Error("T2", callee.where, fmt::format("there is no function '{}'", name));
  std::vector<std::string_view> all = BuiltinNames();
  for (const auto& [one, function] : callables_.functions) all.push_back(one);
  for (const auto& [one, index] : callables_.externs) all.push_back(one);
  const std::string near = NearestName(name, all);
  error.Help(near.empty() ? "declare it with 'fn' or 'extern fn' before it is used"
                          : fmt::format("did you mean '{}'?", near));
  return std::nullopt;
}

ExprTyper::MaybeTyped ExprTyper::Builtin(const ExprTree& expr, std::string_view name,
                                         const ProgramType* wanted, bool& known) {
  if (name == "input") return Input(expr, wanted);
  if (const auto kind = KindOf(kFractional, name)) return Fractional(expr, *kind, wanted);
  if (const auto kind = KindOf(kElementwise, name)) return Elementwise(expr, *kind, wanted);
  if (const auto kind = KindOf(kReductions, name)) return Reduction(expr, *kind);
  if (name == "matmul") return Matmul(expr);
  if (name == "transpose") return Transpose(expr);
  if (name == "rows") return Rows(expr);
  if (name == "concat") return Concat(expr);
  if (name == "reshape") return Reshape(expr);
  if (name == "fill") return Fill(expr, wanted);
  if (name == "iota") return Iota(expr, wanted);
  if (name == "shift") return Shift(expr);
  if (name == "histogram") return Histogram(expr);
  known = false;
  return std::nullopt;
}

bool ExprTyper::Arguments(const ExprTree& expr, size_t least, size_t most) {
  const size_t count = expr.operands.size() - 1;
  if (count >= least && count <= most) return true;
  out_.Error(
      "T2", expr.where,
      fmt::format("{} takes {} argument{}, not {}", expr.operands[0].text,
                  least == most ? fmt::format("{}", least) : fmt::format("{} or more", least),
                  most == 1 ? "" : "s", count));
  return false;
}

ExprTyper::MaybeTyped ExprTyper::Tensor(const ExprTree& expr) {
  MaybeTyped out = Build(expr, nullptr);
  if (!out || !Settle(*out, expr)) return std::nullopt;
  return out;
}

ExprTyper::MaybeTyped ExprTyper::Callee(const ExprTree& expr, Kind kind, uint32_t index,
                                        const std::vector<ProgramType>& params,
                                        const ProgramType& result) {
  const auto first = static_cast<uint32_t>(code_.size());
  if (!Arguments(expr, params.size(), params.size())) return std::nullopt;
  ExprNode::Args args;
  for (size_t i = 0; i < params.size(); ++i) {
    MaybeTyped arg = Build(expr.operands[i + 1], &params[i]);
    if (!arg || !Fit(*arg, params[i], expr.operands[i + 1])) return std::nullopt;
    args.push_back(arg->node);
  }
  const Typed out = Add(kind, result, std::move(args), first);
  code_.back().index = index;
  return out;
}

ExprTyper::MaybeTyped ExprTyper::Input(const ExprTree& expr, const ProgramType* wanted) {
  if (!Arguments(expr, 0, 1)) return std::nullopt;
  ProgramType type = wanted != nullptr ? *wanted : ProgramType{};
  if (expr.operands.size() == 2) {
    const ExprTree& written = expr.operands[1];
    TypeSyntax syntax{written.text, {}, written.where};
    if (written.kind == ExprTree::Kind::kElement) {
      syntax.scalar = written.operands[0].text;
      syntax.shape.assign(written.operands.begin() + 1, written.operands.end());
    }
    const std::optional<ProgramType> read = Resolve(syntax);
    if (!read) return std::nullopt;
    type = *read;
  }
  eval_->input = true;
  return Add(Kind::kInput, std::move(type), {}, static_cast<uint32_t>(code_.size()));
}

ExprTyper::MaybeTyped ExprTyper::Convert(const ExprTree& expr, Scalar scalar) {
  if (!Arguments(expr, 1, 1)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  if (!operand) return std::nullopt;
  ProgramType type = TypeOf(*operand);
  type.scalar = scalar;
  return Add(Kind::kConvert, std::move(type), {operand->node}, operand->first);
}

// One operand or two of numbers, whose type the result has.
ExprTyper::MaybeTyped ExprTyper::Elementwise(const ExprTree& expr, Kind kind,
                                             const ProgramType* wanted) {
  const size_t count = kind == Kind::kMin || kind == Kind::kMax || kind == Kind::kPow ? 2 : 1;
  if (!Arguments(expr, count, count)) return std::nullopt;
  MaybeTyped a = Build(expr.operands[1], wanted);
  if (!a) return std::nullopt;
  MaybeTyped b = a;
  if (count == 2) {
    b = Build(expr.operands[2], wanted);
    if (!b || !Join(*a, *b, expr)) return std::nullopt;
  }
  const Scalar scalar = TypeOf(*a).scalar;
  if (!IsWhole(scalar) && !IsFractional(scalar)) {
    out_.Error(
        "T1", expr.where,
        fmt::format("{} of {}: it takes numbers", expr.operands[0].text, TypeText(TypeOf(*a))));
    return std::nullopt;
  }
  ProgramType type = TypeOf(TypeOf(*a).shape.empty() ? *b : *a);
  ExprNode::Args args = {a->node};
  if (count == 2) args.push_back(b->node);
  return Add(kind, std::move(type), std::move(args), a->first, a->loose && b->loose);
}

// The same of numbers that may have a fraction.
ExprTyper::MaybeTyped ExprTyper::Fractional(const ExprTree& expr, Kind kind,
                                            const ProgramType* wanted) {
  const ProgramType f32{Scalar::kF32, {}};
  const bool fits = wanted != nullptr && IsFractional(wanted->scalar);
  MaybeTyped out = Elementwise(expr, kind, fits ? wanted : &f32);
  if (!out) return std::nullopt;
  if (IsFractional(TypeOf(*out).scalar)) return out;
  out_.Error("T1", expr.where,
             fmt::format("{} of {}: it takes f16, bf16, f32 or f64", expr.operands[0].text,
                         TypeText(TypeOf(*out))))
      .Help("convert it: f32(..)");
  return std::nullopt;
}

ExprTyper::MaybeTyped ExprTyper::Reduction(const ExprTree& expr, Kind kind) {
  if (!Arguments(expr, 1, 1)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  if (!operand) return std::nullopt;
  const ProgramType type = TypeOf(*operand);
  if ((!IsWhole(type.scalar) && !IsFractional(type.scalar)) || ElementCount(type) == 0) {
    out_.Error("T1", expr.where,
               fmt::format("{} of {}: it takes numbers", expr.operands[0].text, TypeText(type)));
    return std::nullopt;
  }
  return Add(kind, {type.scalar, {}}, {operand->node}, operand->first);
}

ExprTyper::MaybeTyped ExprTyper::Matmul(const ExprTree& expr) {
  if (!Arguments(expr, 2, 2)) return std::nullopt;
  MaybeTyped a = Tensor(expr.operands[1]), b = Tensor(expr.operands[2]);
  if (!a || !b) return std::nullopt;
  const ProgramType x = TypeOf(*a), y = TypeOf(*b);
  const bool dims = !x.shape.empty() && x.shape.size() <= 2 && !y.shape.empty() &&
                    y.shape.size() <= 2 && x.shape.back() == y.shape.front();
  if (!dims || x.scalar != y.scalar || (!IsFractional(x.scalar) && !IsWhole(x.scalar))) {
    out_.Error("T1", expr.where, fmt::format("matmul of {} and {}", TypeText(x), TypeText(y)))
        .Help("it takes [m, k] and [k, n] of one type of numbers; either may be a vector [k]");
    return std::nullopt;
  }
  ProgramType type{x.scalar, {}};
  if (x.shape.size() == 2) type.shape.push_back(x.shape[0]);
  if (y.shape.size() == 2) type.shape.push_back(y.shape[1]);
  if (!CheckSize(type, expr.where)) return std::nullopt;
  return Add(Kind::kMatmul, std::move(type), {a->node, b->node}, a->first);
}

ExprTyper::MaybeTyped ExprTyper::Transpose(const ExprTree& expr) {
  if (!Arguments(expr, 1, 1)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  if (!operand) return std::nullopt;
  ProgramType type = TypeOf(*operand);
  if (type.shape.size() != 2) {
    out_.Error("T1", expr.where,
               fmt::format("transpose of {}: it takes two dimensions", TypeText(type)));
    return std::nullopt;
  }
  std::swap(type.shape[0], type.shape[1]);
  return Add(Kind::kTranspose, std::move(type), {operand->node}, operand->first);
}

// rows(x, begin, count)
ExprTyper::MaybeTyped ExprTyper::Rows(const ExprTree& expr) {
  if (!Arguments(expr, 3, 3)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  if (!operand) return std::nullopt;
  ProgramType type = TypeOf(*operand);
  MaybeTyped begin = Tensor(expr.operands[2]);
  const std::optional<uint64_t> count = WholeConstant(expr.operands[3], "a number of rows");
  if (!begin || !count) return std::nullopt;
  if (!TypeOf(*begin).shape.empty() || !IsWhole(TypeOf(*begin).scalar)) {
    out_.Error("T1", expr.operands[2].where, "the first row is one whole number");
    return std::nullopt;
  }
  if (type.shape.empty() || *count > type.shape[0]) {
    out_.Error("T1", expr.where, fmt::format("{} has no {} rows", TypeText(type), *count));
    return std::nullopt;
  }
  type.shape[0] = *count;
  return Add(Kind::kRows, std::move(type), {operand->node, begin->node}, operand->first);
}

ExprTyper::MaybeTyped ExprTyper::Concat(const ExprTree& expr) {
  if (!Arguments(expr, 1, ~size_t{0} - 1)) return std::nullopt;
  const auto first = static_cast<uint32_t>(code_.size());
  ExprNode::Args args;
  ProgramType type;
  for (size_t i = 1; i < expr.operands.size(); ++i) {
    MaybeTyped part = Tensor(expr.operands[i]);
    if (!part) return std::nullopt;
    ProgramType next = TypeOf(*part);
    args.push_back(part->node);
    const bool rest = i == 1 || (next.scalar == type.scalar && !next.shape.empty() &&
                                 std::equal(next.shape.begin() + 1, next.shape.end(),
                                            type.shape.begin() + 1, type.shape.end()));
    if (next.shape.empty() || !rest) {
      out_.Error("T1", expr.operands[i].where,
                 fmt::format("concat of {} and {}", TypeText(type), TypeText(next)))
          .Help("all but the first dimension are equal");
      return std::nullopt;
    }
    const uint64_t before = i == 1 ? 0 : type.shape[0];
    const uint64_t rows = CheckedAdd(before, next.shape[0]).value_or(~uint64_t{0});
    type = std::move(next);
    type.shape[0] = rows;
  }
  if (!CheckSize(type, expr.where)) return std::nullopt;
  return Add(Kind::kConcat, std::move(type), std::move(args), first);
}

// The numbers of [4, 3], or a single one.
std::optional<Dimensions> ExprTyper::ShapeOf(const ExprTree& expr) {
  Dimensions out;
  const bool list = expr.kind == ExprTree::Kind::kArray;
  for (size_t i = 0; i < (list ? expr.operands.size() : 1); ++i) {
    const auto size = WholeConstant(list ? expr.operands[i] : expr, "a dimension");
    if (!size) return std::nullopt;
    out.push_back(*size);
  }
  return out;
}

ExprTyper::MaybeTyped ExprTyper::Reshape(const ExprTree& expr) {
  if (!Arguments(expr, 2, 2)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  const auto shape = ShapeOf(expr.operands[2]);
  if (!operand || !shape) return std::nullopt;
  const ProgramType type{TypeOf(*operand).scalar, *shape};
  if (!CheckSize(type, expr.where)) return std::nullopt;
  if (ElementCount(type) != ElementCount(TypeOf(*operand))) {
    out_.Error("T1", expr.where,
               fmt::format("{} and {} differ in their number of elements",
                           TypeText(TypeOf(*operand)), TypeText(type)));
    return std::nullopt;
  }
  return Add(Kind::kReshape, type, {operand->node}, operand->first);
}

// fill(value, shape)
ExprTyper::MaybeTyped ExprTyper::Fill(const ExprTree& expr, const ProgramType* wanted) {
  if (!Arguments(expr, 2, 2)) return std::nullopt;
  const ProgramType element{wanted != nullptr ? wanted->scalar : Scalar::kI32, {}};
  MaybeTyped value = Build(expr.operands[1], wanted != nullptr ? &element : nullptr);
  const auto shape = ShapeOf(expr.operands[2]);
  if (!value || !shape || !Settle(*value, expr.operands[1])) return std::nullopt;
  if (!TypeOf(*value).shape.empty()) {
    out_.Error("T1", expr.operands[1].where, "what fills is a single number");
    return std::nullopt;
  }
  const ProgramType type{TypeOf(*value).scalar, *shape};
  if (!CheckSize(type, expr.where)) return std::nullopt;
  return Add(Kind::kFill, type, {value->node}, value->first);
}

// iota(count)
ExprTyper::MaybeTyped ExprTyper::Iota(const ExprTree& expr, const ProgramType* wanted) {
  if (!Arguments(expr, 1, 1)) return std::nullopt;
  const auto count = WholeConstant(expr.operands[1], "a number of elements");
  if (!count) return std::nullopt;
  const bool number =
      wanted != nullptr && (IsWhole(wanted->scalar) || IsFractional(wanted->scalar));
  const ProgramType type{number ? wanted->scalar : Scalar::kI32, {*count}};
  if (!CheckSize(type, expr.where)) return std::nullopt;
  return Add(Kind::kIota, type, {}, static_cast<uint32_t>(code_.size()));
}

// shift(x, steps..): one for each dimension, or for the first ones.
ExprTyper::MaybeTyped ExprTyper::Shift(const ExprTree& expr) {
  if (!Arguments(expr, 2, ~size_t{0} - 1)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  if (!operand) return std::nullopt;
  const ProgramType type = TypeOf(*operand);
  ExprNode::Args args = {operand->node};
  for (size_t i = 2; i < expr.operands.size(); ++i) {
    MaybeTyped step = Tensor(expr.operands[i]);
    if (!step) return std::nullopt;
    if (!TypeOf(*step).shape.empty() || !IsWhole(TypeOf(*step).scalar)) {
      out_.Error("T1", expr.operands[i].where, "a step is one whole number");
      return std::nullopt;
    }
    args.push_back(step->node);
  }
  if (args.size() - 1 > type.shape.size() || ElementCount(type) == 0) {
    out_.Error("T1", expr.where,
               fmt::format("shift of {} by {} steps", TypeText(type), args.size() - 1))
        .Help("it takes at most one step for each dimension");
    return std::nullopt;
  }
  return Add(Kind::kShift, type, std::move(args), operand->first);
}

// histogram(x, bins)
ExprTyper::MaybeTyped ExprTyper::Histogram(const ExprTree& expr) {
  if (!Arguments(expr, 2, 2)) return std::nullopt;
  MaybeTyped operand = Tensor(expr.operands[1]);
  const auto bins = WholeConstant(expr.operands[2], "a number of bins");
  if (!operand || !bins) return std::nullopt;
  const Scalar scalar = TypeOf(*operand).scalar;
  const ProgramType type{Scalar::kI32, {*bins}};
  if (!CheckSize(type, expr.where)) return std::nullopt;
  if (!IsWhole(scalar) && !IsFractional(scalar)) {
    out_.Error("T1", expr.where,
               fmt::format("histogram of {}: it takes numbers", TypeText(TypeOf(*operand))));
    return std::nullopt;
  }
  return Add(Kind::kHistogram, type, {operand->node}, operand->first);
}

}  // namespace tinyai
