#include <algorithm>

#include "plan/draft.h"

namespace tinyai {
namespace {

bool ComputesInPlace(const Op& op) {
  return std::holds_alternative<op::Add>(op.kind) || std::holds_alternative<op::SiluMul>(op.kind) ||
         std::holds_alternative<op::Rope>(op.kind);
}

std::vector<size_t> LastUses(const Graph& graph) {
  std::vector<size_t> last(graph.values.size(), 0);
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const ValueId in : graph.ops[i].ins) last[Index(in)] = i;
    if (graph.ops[i].out) last[Index(*graph.ops[i].out)] = i;
  }
  last[Index(graph.logits)] = graph.ops.size();  // read by the caller after the pass
  return last;
}

}  // namespace

Storages FindLifetimes(const Graph& graph, uint64_t chunk) {
  const std::vector<size_t> last = LastUses(graph);
  Storages out;
  out.of_value.resize(graph.values.size());
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    if (!op.out) continue;
    const size_t value = Index(*op.out);
    if (ComputesInPlace(op) && last[Index(op.ins[0])] == i) {
      out.of_value[value] = out.of_value[Index(op.ins[0])];
      Lifetime& shared = out.lifetimes[out.of_value[value]];
      shared.end = std::max(shared.end, last[value]);
      continue;
    }
    const uint64_t rows = graph.values[value].rows == Rows::kTokens ? chunk : 1;
    out.of_value[value] = out.lifetimes.size();
    out.lifetimes.push_back({rows * graph.values[value].row_bytes, i, last[value]});
  }
  return out;
}

}  // namespace tinyai
