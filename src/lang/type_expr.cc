#include "lang/type_expr.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "fmt/format.h"
#include "lang/constant.h"
#include "lang/nearest_name.h"
#include "lang/number.h"
#include "lang/print_schedule.h"

namespace tinyai {
namespace {

ExprNode::Kind BinaryKind(std::string_view op) {
  using Kind = ExprNode::Kind;
  const bool equal = op.size() == 2;  // the second character of <= and >=
  switch (op[0]) {
    case '+':
      return Kind::kAdd;
    case '-':
      return Kind::kSubtract;
    case '*':
      return Kind::kMultiply;
    case '/':
      return Kind::kDivide;
    case '%':
      return Kind::kModulo;
    case '<':
      return equal ? Kind::kLessEqual : Kind::kLess;
    case '>':
      return equal ? Kind::kGreaterEqual : Kind::kGreater;
    case '=':
      return Kind::kEqual;
    case '!':
      return Kind::kNotEqual;
    case '|':
      return Kind::kOr;
    default:
      return Kind::kAnd;
  }
}

// Of a value: more than any machine has, and sums of a million of them still fit.
constexpr uint64_t kMostValueBytes = uint64_t{1} << 40;
constexpr size_t kMostDimensions = 8;

bool IsNumber(Scalar scalar) { return scalar != Scalar::kBool; }
bool IsBlocks(Scalar scalar) { return scalar == Scalar::kQ8 || scalar == Scalar::kQ4; }

}  // namespace

bool IsWhole(Scalar scalar) { return scalar == Scalar::kI32 || scalar == Scalar::kI64; }
bool IsFractional(Scalar scalar) {
  return IsNumber(scalar) && !IsWhole(scalar) && !IsBlocks(scalar);
}

Diagnostic& Complaints::Error(std::string code, Span span, std::string message) {
  if (!quiet_) return out_.Error(std::move(code), span, std::move(message));
  dropped_ = {};
  return dropped_;
}
Diagnostic& Complaints::Warning(std::string code, Span span, std::string message) {
  if (!quiet_) return out_.Warning(std::move(code), span, std::move(message));
  dropped_ = {};
  return dropped_;
}

// --- constants and types ---

std::optional<Constant> ExprTyper::Evaluate(const ExprTree& expr) const {
  switch (expr.kind) {
    case ExprTree::Kind::kNumber:
      return ParseConstant(expr.text);
    case ExprTree::Kind::kName: {
      const Binding* binding = names_.Find(expr.text);
      if (binding == nullptr || binding->kind != Binding::Kind::kConstant) return std::nullopt;
      return names_.constant(*binding);
    }
    case ExprTree::Kind::kUnary: {
      const std::optional<Constant> operand = Evaluate(expr.operands[0]);
      if (!operand || expr.text != "-") return std::nullopt;
      return ApplyOperator("-", {operand->whole, 0, 0}, *operand);
    }
    case ExprTree::Kind::kBinary: {
      const std::optional<Constant> left = Evaluate(expr.operands[0]);
      if (!left) return std::nullopt;
      const std::optional<Constant> right = Evaluate(expr.operands[1]);
      if (!right) return std::nullopt;
      return ApplyOperator(expr.text, *left, *right);
    }
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> ExprTyper::WholeConstant(const ExprTree& expr, std::string_view what) {
  const std::optional<Constant> value = Evaluate(expr);
  if (value && value->whole && value->integer >= 0) return static_cast<uint64_t>(value->integer);
  out_.Error("T3", expr.where,
             fmt::format("{} has to be a whole number that is known when the program is compiled",
                         what))
      .Help("use a literal, or a name defined with 'const'");
  return std::nullopt;
}

bool ExprTyper::CheckSize(const ProgramType& type, Span where) {
  uint64_t count = 1;
  for (const uint64_t size : type.shape) count = CheckedMul(count, size).value_or(~uint64_t{0});
  if (count <= kMostValueBytes / 8 && type.shape.size() <= kMostDimensions) return true;
  out_.Error("T3", where,
             fmt::format("{} is too large: a value has at most {} dimensions and 2^40 bytes",
                         TypeText(type), kMostDimensions));
  return false;
}

std::optional<ProgramType> ExprTyper::Resolve(const TypeSyntax& syntax) {
  const std::optional<Scalar> scalar = ScalarOf(syntax.scalar);
  if (!scalar) {
    Diagnostic& error =
        out_.Error("T1", syntax.where, fmt::format("there is no type '{}'", syntax.scalar));
    error.Help("types are bool, i32, i64, f16, bf16, f32, f64, q8 and q4, with a shape: f32[4, 3]");
    return std::nullopt;
  }
  ProgramType out{*scalar, {}};
  for (const ExprTree& size : syntax.shape) {
    const std::optional<uint64_t> value = WholeConstant(size, "a dimension");
    if (!value) return std::nullopt;
    out.shape.push_back(*value);
  }
  if (!CheckSize(out, syntax.where)) return std::nullopt;
  return out;
}

// --- nodes ---

ExprTyper::Typed ExprTyper::Add(Kind kind, ProgramType type, ExprNode::Args args, uint32_t first,
                                bool loose) {
  ExprNode& node = code_.Add();
  node.kind = kind;
  node.type = std::move(type);
  node.args = std::move(args);
  return {static_cast<uint32_t>(code_.size() - 1), loose, first};
}

std::string ExprTyper::Text(const ExprTree& expr) const {
  constexpr size_t kMostShown = 60;
  const std::string text = PrintExpr(expr);
  return text.size() <= kMostShown ? text : text.substr(0, kMostShown) + "..";
}

void ExprTyper::Mismatch(const ExprTree& expr, const ProgramType& a, const ProgramType& b) {
  Diagnostic& error = out_.Error(
      "T1", expr.where, fmt::format("'{}' joins {} and {}", Text(expr), TypeText(a), TypeText(b)));
  if (a.scalar != b.scalar) {
    error.Help(
        fmt::format("convert one: {}(..) or {}(..)", ScalarName(a.scalar), ScalarName(b.scalar)));
  } else {
    error.Help("operands have equal shapes, or one is a single number");
  }
}

// A tree of literals gets another type.
bool ExprTyper::Retype(const Typed& typed, Scalar scalar, const ExprTree& expr) {
  if (!IsNumber(scalar) || IsBlocks(scalar)) {
    Mismatch(expr, TypeOf(typed), {scalar, {}});
    return false;
  }
  for (uint32_t i = typed.first; i <= typed.node; ++i) {
    ExprNode& node = code_[i];
    if (IsWhole(scalar) && !IsWhole(node.type.scalar)) {
      Mismatch(expr, TypeOf(typed), {scalar, {}});
      return false;
    }
    node.type.scalar = scalar;
    if (scalar != Scalar::kI32 || node.kind != Kind::kConstant) continue;
    if (node.integer >= INT32_MIN && node.integer <= INT32_MAX) continue;
    out_.Error("T1", expr.where, fmt::format("{} does not fit into i32", node.integer))
        .Help("convert what it meets to i64: i64(..)");
    return false;
  }
  return true;
}

bool ExprTyper::Fit(Typed& typed, const ProgramType& type, const ExprTree& expr) {
  if (TypeOf(typed) == type) return true;
  if (typed.loose && TypeOf(typed).shape == type.shape) {
    typed.loose = false;
    return Retype(typed, type.scalar, expr);
  }
  out_.Error("T1", expr.where,
             fmt::format("'{}' is {}, {} is needed", Text(expr), TypeText(TypeOf(typed)),
                         TypeText(type)))
      .Help(TypeOf(typed).shape == type.shape
                ? fmt::format("convert it: {}(..)", ScalarName(type.scalar))
                : "give it the other shape, with reshape or rows");
  return false;
}

// Literals that met nothing else.
bool ExprTyper::Settle(Typed& typed, const ExprTree& expr) {
  if (!typed.loose) return true;
  typed.loose = false;
  return Retype(typed, TypeOf(typed).scalar, expr);
}

// Two operands get one scalar type, and shapes that go together.
bool ExprTyper::Join(Typed& a, Typed& b, const ExprTree& expr) {
  if (a.loose && b.loose) {
    const bool fractional = IsFractional(TypeOf(a).scalar) || IsFractional(TypeOf(b).scalar);
    const bool wide = TypeOf(a).scalar == Scalar::kI64 || TypeOf(b).scalar == Scalar::kI64;
    const Scalar scalar = fractional ? Scalar::kF32 : wide ? Scalar::kI64 : Scalar::kI32;
    if (!Retype(a, scalar, expr) || !Retype(b, scalar, expr)) return false;
  } else if (a.loose || b.loose) {
    Typed& literal = a.loose ? a : b;
    literal.loose = false;
    if (!Retype(literal, TypeOf(a.loose || &literal == &a ? b : a).scalar, expr)) return false;
  }
  const ProgramType &x = TypeOf(a), &y = TypeOf(b);
  if (x.scalar == y.scalar && (x.shape == y.shape || x.shape.empty() || y.shape.empty())) {
    return true;
  }
  Mismatch(expr, x, y);
  return false;
}

// --- expressions ---

std::optional<ProgramType> ExprTyper::Append(const ExprTree& expr, const ProgramType* wanted,
                                             Eval& eval, size_t results) {
  eval_ = &eval;
  whole_ = &expr;
  results_ = results;
  call_results_.clear();
  ++eval_number_;
  operand_of_.resize(program_.defs.size());
  code_.Begin();
  MaybeTyped typed = Build(expr, wanted);
  if (!typed) return std::nullopt;
  if (wanted != nullptr ? !Fit(*typed, *wanted, expr) : !Settle(*typed, expr)) return std::nullopt;
  ProgramType type = TypeOf(*typed);
  eval.code = code_.Keep();
  return type;
}

ExprTyper::MaybeTyped ExprTyper::Build(const ExprTree& expr, const ProgramType* wanted) {
  switch (expr.kind) {
    case ExprTree::Kind::kName:
      return Name(expr);
    case ExprTree::Kind::kNumber:
      return Number(expr, wanted);
    case ExprTree::Kind::kUnary:
      return Unary(expr, wanted);
    case ExprTree::Kind::kBinary:
      return Binary(expr, wanted);
    case ExprTree::Kind::kChoice:
      return Choice(expr, wanted);
    case ExprTree::Kind::kElement:
      return Element(expr);
    case ExprTree::Kind::kArray:
      return Array(expr, wanted);
    case ExprTree::Kind::kCall:
      return Call(expr, wanted);
    case ExprTree::Kind::kString:
    case ExprTree::Kind::kMember:
      break;
  }
  out_.Error("T1", expr.where, fmt::format("'{}' is no value", Text(expr)));
  return std::nullopt;
}

std::nullopt_t ExprTyper::Unknown(std::string_view name, Span where) {
  Diagnostic& error = out_.Error("I7", where, fmt::format("no value '{}' is defined here", name));
  const std::string near = out_.quiet() ? "" : NearestName(name, names_.Known());
  if (!near.empty()) error.Help(fmt::format("did you mean '{}'?", near));
  return std::nullopt;
}

ExprTyper::MaybeTyped ExprTyper::Name(const ExprTree& expr) {
  const Binding* binding = names_.Find(expr.text);
  const auto first = static_cast<uint32_t>(code_.size());
  if (binding == nullptr) {
    if (expr.text != "true" && expr.text != "false") return Unknown(expr.text, expr.where);
    const Typed typed = Add(Kind::kConstant, {Scalar::kBool, {}}, {}, first);
    code_.back().integer = expr.text == "true" ? 1 : 0;
    return typed;
  }
  switch (binding->kind) {
    case Binding::Kind::kConstant: {
      const Constant& constant = names_.constant(*binding);
      const Typed typed =
          Add(Kind::kConstant, {constant.whole ? Scalar::kI32 : Scalar::kF32, {}}, {}, first, true);
      code_.back().integer = constant.integer;
      code_.back().number = constant.number;
      return typed;
    }
    case Binding::Kind::kPartial: {
      const Branch& branch = program_.branches[binding->detail];
      out_.Error("A4", expr.where,
                 fmt::format("'{}' is defined only where {}{}{}", expr.text,
                             binding->arm ? "" : "!(", branch.text, binding->arm ? "" : ")"))
          .NoteAt(binding->where, "defined here")
          .Help("define it in the other arm too");
      return std::nullopt;
    }
    case Binding::Kind::kDef:
      break;
    default:
      return std::nullopt;
  }
  const size_t def = Index(binding->def);
  if (def >= operand_of_.size()) operand_of_.resize(program_.defs.size());
  Operand& operand = operand_of_[def];
  if (operand.seen_in != eval_number_) {
    operand = {eval_number_, static_cast<uint32_t>(eval_->ins.size())};
    eval_->ins.push_back(binding->def);
  }
  const Typed typed = Add(Kind::kOperand, program_.defs[def].type, {}, first);
  code_.back().index = operand.place;
  return typed;
}

ExprTyper::MaybeTyped ExprTyper::Number(const ExprTree& expr, const ProgramType* wanted) {
  const std::optional<Constant> value = ParseConstant(expr.text);
  if (!value) {
    out_.Error("T3", expr.where,
               fmt::format("'{}' is too large, or has a unit that means nothing "
                           "in a program",
                           expr.text));
    return std::nullopt;
  }
  const bool narrow = value->integer >= INT32_MIN && value->integer <= INT32_MAX;
  Scalar scalar = !value->whole ? Scalar::kF32 : narrow ? Scalar::kI32 : Scalar::kI64;
  if (wanted != nullptr && IsFractional(wanted->scalar)) scalar = wanted->scalar;
  const Typed typed =
      Add(Kind::kConstant, {scalar, {}}, {}, static_cast<uint32_t>(code_.size()), true);
  code_.back().integer = value->integer;
  code_.back().number = value->number;
  return typed;
}

ExprTyper::MaybeTyped ExprTyper::Unary(const ExprTree& expr, const ProgramType* wanted) {
  MaybeTyped operand = Build(expr.operands[0], wanted);
  if (!operand) return std::nullopt;
  const ProgramType type = TypeOf(*operand);
  const bool minus = expr.text == "-";
  if (minus != IsNumber(type.scalar) || IsBlocks(type.scalar)) {
    out_.Error("T1", expr.where,
               fmt::format("'{}' of {}: it takes {}", expr.text, TypeText(type),
                           minus ? "numbers" : "bool"));
    return std::nullopt;
  }
  return Add(minus ? Kind::kNegate : Kind::kNot, type, {operand->node}, operand->first,
             operand->loose);
}

ExprTyper::MaybeTyped ExprTyper::Binary(const ExprTree& expr, const ProgramType* wanted) {
  const Kind kind = BinaryKind(expr.text);
  const bool logic = kind == Kind::kOr || kind == Kind::kAnd;
  const bool compares = kind >= Kind::kEqual && kind <= Kind::kGreaterEqual;
  const bool inherits = !logic && !compares;
  MaybeTyped left = Build(expr.operands[0], inherits ? wanted : nullptr);
  MaybeTyped right = Build(expr.operands[1], inherits ? wanted : nullptr);
  if (!left || !right || !Join(*left, *right, expr)) return std::nullopt;
  const Scalar scalar = TypeOf(*left).scalar;
  const bool equality = kind == Kind::kEqual || kind == Kind::kNotEqual;
  if (logic != (scalar == Scalar::kBool) && !(equality && scalar == Scalar::kBool)) {
    out_.Error("T1", expr.where,
               fmt::format("'{}' joins {} and {}: it takes {}", expr.text, TypeText(TypeOf(*left)),
                           TypeText(TypeOf(*right)), logic ? "bool" : "numbers"));
    return std::nullopt;
  }
  if (IsBlocks(scalar)) {
    out_.Error("T1", expr.where, fmt::format("{} is for storage only", ScalarName(scalar)))
        .Help("convert it: f32(..)");
    return std::nullopt;
  }
  ProgramType type = TypeOf(TypeOf(*left).shape.empty() ? *right : *left);
  if (compares) type.scalar = Scalar::kBool;
  const bool loose = left->loose && right->loose && inherits;
  if (!inherits && left->loose && (!Settle(*left, expr) || !Settle(*right, expr))) {
    return std::nullopt;
  }
  return Add(kind, std::move(type), {left->node, right->node}, left->first, loose);
}

ExprTyper::MaybeTyped ExprTyper::Choice(const ExprTree& expr, const ProgramType* wanted) {
  MaybeTyped condition = Build(expr.operands[0], nullptr);
  MaybeTyped yes = Build(expr.operands[1], wanted);
  MaybeTyped no = Build(expr.operands[2], wanted);
  if (!condition || !yes || !no || !Join(*yes, *no, expr)) return std::nullopt;
  if (TypeOf(*condition).scalar != Scalar::kBool) {
    out_.Error("T1", expr.operands[0].where,
               fmt::format("'{}' is {}, a condition is bool", Text(expr.operands[0]),
                           TypeText(TypeOf(*condition))))
        .Help(fmt::format("compare it: {} != 0", Text(expr.operands[0])));
    return std::nullopt;
  }
  if (!Settle(*yes, expr) || !Settle(*no, expr)) return std::nullopt;
  ProgramType type = TypeOf(TypeOf(*yes).shape.empty() ? *no : *yes);
  const Dimensions& by = TypeOf(*condition).shape;
  if (!by.empty() && !type.shape.empty() && by != type.shape) {
    Mismatch(expr, TypeOf(*condition), type);
    return std::nullopt;
  }
  if (!by.empty()) type.shape = by;
  return Add(Kind::kSelect, std::move(type), {condition->node, yes->node, no->node},
             condition->first);
}

ExprTyper::MaybeTyped ExprTyper::Element(const ExprTree& expr) {
  MaybeTyped out = Tensor(expr.operands[0]);
  for (size_t i = 1; out && i < expr.operands.size(); ++i) {
    const ProgramType i32{Scalar::kI32, {}};
    MaybeTyped index = Build(expr.operands[i], &i32);
    if (!index) return std::nullopt;
    if (!TypeOf(*index).shape.empty() || !IsWhole(TypeOf(*index).scalar)) {
      out_.Error("T1", expr.operands[i].where,
                 fmt::format("an index is one whole number, not {}", TypeText(TypeOf(*index))));
      return std::nullopt;
    }
    if (!Settle(*index, expr.operands[i])) return std::nullopt;
    ProgramType type = TypeOf(*out);
    if (type.shape.empty() || type.shape[0] == 0) {
      out_.Error(
          "T1", expr.where,
          fmt::format("'{}' is {}, which has no elements", Text(expr.operands[0]), TypeText(type)));
      return std::nullopt;
    }
    type.shape.pop_front();
    out = Add(Kind::kElement, std::move(type), {out->node, index->node}, out->first);
  }
  return out;
}

ExprTyper::MaybeTyped ExprTyper::Array(const ExprTree& expr, const ProgramType* wanted) {
  const auto first = static_cast<uint32_t>(code_.size());
  if (expr.operands.empty()) {
    out_.Error("T1", expr.where, "an array has at least one element");
    return std::nullopt;
  }
  const ProgramType element{wanted != nullptr ? wanted->scalar : Scalar::kI32, {}};
  std::vector<Typed> parts;
  for (const ExprTree& operand : expr.operands) {
    MaybeTyped part = Build(operand, wanted != nullptr ? &element : nullptr);
    if (!part) return std::nullopt;
    parts.push_back(*part);
  }
  // The first that is no literal says what all are; else whether any has a fraction.
  const auto firm =
      std::find_if(parts.begin(), parts.end(), [](const Typed& p) { return !p.loose; });
  ProgramType type = TypeOf(firm != parts.end() ? *firm : parts[0]);
  if (firm == parts.end()) {
    for (const Typed& part : parts) {
      const Scalar scalar = TypeOf(part).scalar;
      if (IsFractional(scalar) || (scalar == Scalar::kI64 && type.scalar == Scalar::kI32)) {
        type.scalar = scalar;
      }
    }
  }
  ExprNode::Args args;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!Fit(parts[i], type, expr.operands[i]) || !Settle(parts[i], expr.operands[i])) {
      return std::nullopt;
    }
    args.push_back(parts[i].node);
  }
  type.shape.push_front(parts.size());
  if (!CheckSize(type, expr.where)) return std::nullopt;
  return Add(Kind::kArray, std::move(type), std::move(args), first);
}

}  // namespace tinyai
