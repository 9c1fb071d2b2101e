#include "program/op_cost.h"

#include <array>
#include <cmath>
#include <string_view>
#include <vector>

namespace tinyai {
namespace {

// Where nothing was measured: an operation on one number, and what starting one op takes.
constexpr double kCpuSeconds = 1e-9, kDeviceSeconds = 5e-11;
constexpr double kCpuStart = 1e-7, kDeviceStart = 5e-6;
constexpr double kUnknownTrips = 100;

// By kind, as cost files call them.
constexpr std::array<std::string_view, 45> kNames = {
    "",           "",        "input",         "convert", "neg",    "not",       "add",
    "sub",        "mul",     "div",           "mod",     "equal",  "not_equal", "less",
    "less_equal", "greater", "greater_equal", "and",     "or",     "select",    "element",
    "array",      "abs",     "sqrt",          "exp",     "log",    "sin",       "cos",
    "tanh",       "floor",   "min",           "max",     "pow",    "sum",       "least",
    "most",       "matmul",  "transpose",     "rows",    "concat", "",          "fill",
    "iota",       "shift",   "histogram"};
static_assert(kNames[static_cast<size_t>(ExprNode::Kind::kMatmul)] == "matmul" &&
              kNames[static_cast<size_t>(ExprNode::Kind::kHistogram)] == "histogram");

}  // namespace

double OpCosts::Flops(const ExprNode& node, const Eval& eval) const {
  using Kind = ExprNode::Kind;
  if (node.kind <= Kind::kInput || node.kind == Kind::kReshape) return 0;
  const double elements = static_cast<double>(ElementCount(node.type));
  if (node.kind == Kind::kMatmul) {
    const ProgramType& first = eval.code[node.args[0]].type;
    return 2 * elements * static_cast<double>(first.shape.back());
  }
  double most = elements;  // reductions read more than they write
  for (const uint32_t arg : node.args) {
    const double read = static_cast<double>(ElementCount(eval.code[arg].type));
    if (read > most && node.kind != Kind::kElement && node.kind != Kind::kRows) most = read;
  }
  return most;
}

std::string OpCosts::OpName(const ExprNode& node) const {
  using Kind = ExprNode::Kind;
  switch (node.kind) {
    case Kind::kOperand:
    case Kind::kConstant:
    case Kind::kReshape:
      return "";  // nothing is done
    case Kind::kExtern:
      return program_.externs[node.index].name;
    case Kind::kClass:
      return program_.classes[node.index].name;
    case Kind::kCall:
      return program_.functions[node.index].name;
    default:
      return std::string(kNames[static_cast<size_t>(node.kind)]);
  }
}

double OpCosts::SaidSeconds(const Costs::Op& op, const ExprNode& node, const Eval& eval) const {
  std::vector<CostVariable> variables;
  double bytes = static_cast<double>(ByteSize(node.type));
  for (size_t i = 0; i < node.args.size(); ++i) {
    const ProgramType& type = eval.code[node.args[i]].type;
    bytes += static_cast<double>(ByteSize(type));
    if (i >= op.params.size()) continue;
    variables.emplace_back(op.params[i], static_cast<double>(ElementCount(type)));
  }
  variables.emplace_back("bytes", bytes);
  variables.emplace_back("flops", Flops(node, eval));
  return CostValue(op.seconds, variables);
}

void OpCosts::Add(const Eval& eval, uint32_t place, double times, Sum& sum) const {
  for (const ExprNode& node : eval.code) {
    const Costs::Op* const op =
        costs_.ops.empty() ? nullptr : costs_.Find(OpName(node), devices_.places[place].name);
    if (op == nullptr) {
      sum.flops += times * Flops(node, eval);
      continue;
    }
    sum.said += times * SaidSeconds(*op, node, eval);
    sum.priced = true;
  }
}

template <typename Visit>
void OpCosts::EachInner(const Eval& eval, Visit visit) const {
  if (eval.kind != Eval::Kind::kLoop) return;
  for (const Eval& inner : program_.evals) {
    if (inner.scope == program_.loops[eval.index].body) visit(inner);
  }
}

double OpCosts::Trips(const ProgramLoop& loop) const {
  const auto said = costs_.trips.find(loop.name);
  return loop.trips                   ? static_cast<double>(*loop.trips)
         : said != costs_.trips.end() ? said->second
                                      : kUnknownTrips;
}

OpCosts::Sum OpCosts::SumOf(const Eval& eval, uint32_t place) const {
  Sum sum;
  Add(eval, place, 1, sum);
  if (eval.kind == Eval::Kind::kLoop) {
    const ProgramLoop& loop = program_.loops[eval.index];
    const double trips = Trips(loop);
    EachInner(eval, [&](const Eval& inner) { Add(inner, place, trips, sum); });
  }
  return sum;
}

double OpCosts::Seconds(const Eval& eval, uint32_t place) const {
  const Sum sum = SumOf(eval, place);
  if (!sum.priced) return Seconds(sum.flops, place);
  const bool cpu = devices_.places[place].effects;
  return sum.said + sum.flops * (cpu ? kCpuSeconds : kDeviceSeconds);
}

std::optional<double> OpCosts::FlopsAlone(const Eval& eval) const {
  return costs_.ops.empty() ? std::optional(SumOf(eval, 0).flops) : std::nullopt;
}

double OpCosts::Seconds(double flops, uint32_t place) const {
  const bool cpu = devices_.places[place].effects;
  return flops * (cpu ? kCpuSeconds : kDeviceSeconds) + (cpu ? kCpuStart : kDeviceStart);
}

std::string OpCosts::Unpriced(const Eval& eval, uint32_t place) const {
  std::string out;
  const auto look = [&](const Eval& one) {
    for (const ExprNode& node : one.code) {
      const std::string name = OpName(node);
      if (!out.empty() || name.empty() || node.kind == ExprNode::Kind::kInput) continue;
      if (costs_.Find(name, devices_.places[place].name) == nullptr) out = name;
    }
  };
  look(eval);
  EachInner(eval, look);
  return out;
}

std::optional<std::pair<const Costs::Op*, double>> OpCosts::Senseless(const Eval& eval,
                                                                      uint32_t place) const {
  std::optional<std::pair<const Costs::Op*, double>> out;
  const auto look = [&](const Eval& one) {
    for (const ExprNode& node : one.code) {
      const Costs::Op* const op = costs_.Find(OpName(node), devices_.places[place].name);
      if (out || op == nullptr) continue;
      const double seconds = SaidSeconds(*op, node, one);
      if (!std::isfinite(seconds) || seconds < 0) out.emplace(op, seconds);
    }
  };
  look(eval);
  EachInner(eval, look);
  return out;
}

}  // namespace tinyai
