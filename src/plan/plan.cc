#include "plan/plan.h"

#include "base/checked.h"

namespace tinyai {

std::string_view Name(BufferKind kind) {
  switch (kind) {
    case BufferKind::kResident:
      return "resident weights";
    case BufferKind::kRing:
      return "ring";
    case BufferKind::kCache:
      return "kv cache";
    case BufferKind::kActivation:
      return "activations";
    case BufferKind::kStaging:
      return "embedding rows";
    case BufferKind::kWorkspace:
      return "workspace";
  }
  return "";
}

ValueId TransferredValue(const Graph& graph, OpId id) {
  const Op& op = graph.ops[Index(id)];
  return std::holds_alternative<op::Spill>(op.kind) ? op.ins[0] : *op.out;
}

uint64_t TransferredBytes(const Graph& graph, const Plan& plan, OpId id, uint64_t rows) {
  const Value& value = graph.value(TransferredValue(graph, id));
  return RoundUp(value.row_bytes * (value.rows == Rows::kTokens ? rows : 1), plan.io_alignment);
}

SpillTraffic TrafficOf(const Graph& graph, const Plan& plan) {
  SpillTraffic traffic;
  if (!plan.spills()) return traffic;
  for (const Step& step : plan.queues[kSpillQueue].steps) {
    const OpId op = std::get<step::Transfer>(step.work).op;
    const bool out = std::holds_alternative<op::Spill>(graph.ops[Index(op)].kind);
    (out ? traffic.written : traffic.read) += TransferredBytes(graph, plan, op, plan.chunk);
  }
  return traffic;
}

uint64_t KeyCacheBytes(const AttentionShape& shape, DType type, uint64_t context) {
  return shape.kv_heads * context * RowBytes(type, shape.head_dim);
}

uint64_t ValueCacheBytes(const AttentionShape& shape, DType type, uint64_t context) {
  return shape.kv_heads * context * RowBytes(type, shape.value_head_dim);
}

}  // namespace tinyai
