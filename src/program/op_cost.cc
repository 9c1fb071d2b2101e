#include "program/op_cost.h"

namespace tinyai {
namespace {

// Where nothing was measured: an operation on one number, and what starting one op takes.
constexpr double kCpuSeconds = 1e-9, kDeviceSeconds = 5e-11;
constexpr double kCpuStart = 1e-7, kDeviceStart = 5e-6;
constexpr double kUnknownTrips = 100;

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

double OpCosts::Seconds(const Eval& eval, uint32_t place) const {
  double flops = 0;
  for (const ExprNode& node : eval.code) flops += Flops(node, eval);
  if (eval.kind == Eval::Kind::kLoop) {
    const ProgramLoop& loop = program_.loops[eval.index];
    const double trips = loop.trips ? static_cast<double>(*loop.trips) : kUnknownTrips;
    double body = 0;
    for (const Eval& inner : program_.evals) {
      if (inner.scope != loop.body) continue;
      for (const ExprNode& node : inner.code) body += Flops(node, inner);
    }
    flops += trips * body;
  }
  const bool cpu = devices_.places[place].effects;
  return flops * (cpu ? kCpuSeconds : kDeviceSeconds) + (cpu ? kCpuStart : kDeviceStart);
}

}  // namespace tinyai
