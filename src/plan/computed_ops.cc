#include "plan/computed_ops.h"

#include <utility>

#include "fmt/format.h"

namespace tinyai {

ComputedOps::ComputedOps(const Graph& graph)
    : graph_(graph),
      progress_(graph.ops.size()),
      producer_of_(graph.values.size(), graph.ops.size()),
      store_of_(graph.attention.layers, graph.ops.size()) {
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    if (op.out) producer_of_[Index(*op.out)] = i;
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) store_of_[store->layer] = i;
  }
}

std::string ComputedOps::Add(const step::Run& run, uint64_t pass, bool logits_only) {
  const Op& op = graph_.ops[Index(run.op)];
  Progress& progress = progress_[Index(run.op)];
  if (IsProduct(op.kind)) {
    if (std::string wrong = AddRows(run, progress, pass); !wrong.empty()) return wrong;
  } else if (std::exchange(progress.pass, pass + 1) == pass + 1) {
    return "its op ran already";
  }
  if (progress.seen && progress.logits_only != logits_only) {
    return "parts of one op run in different passes";
  }
  progress.seen = true;
  progress.logits_only = logits_only;
  if (logits_only && std::holds_alternative<op::StoreKv>(op.kind)) {
    return "keys and values must be stored in every pass";
  }
  return {};
}

std::string ComputedOps::AddRows(const step::Run& run, Progress& progress, uint64_t pass) const {
  const Weight& weight = graph_.weight(graph_.ops[Index(run.op)].weights[0]);
  if (std::exchange(progress.pass, pass + 1) != pass + 1) progress.rows = 0;
  if (run.row_begin != progress.rows || run.row_end <= run.row_begin || run.row_end > weight.rows) {
    return fmt::format("rows {} to {} of {} do not follow row {}", run.row_begin, run.row_end,
                       weight.name, progress.rows);
  }
  progress.rows = run.row_end;
  return {};
}

bool ComputedOps::Done(size_t op, uint64_t pass) const {
  if (op == graph_.ops.size() || progress_[op].pass != pass + 1) return false;
  const Op& it = graph_.ops[op];
  return !IsProduct(it.kind) || progress_[op].rows == graph_.weight(it.weights[0]).rows;
}

bool ComputedOps::Made(ValueId id, uint64_t pass) const {
  return Done(producer_of_[Index(id)], pass);
}

bool ComputedOps::Stored(uint32_t layer, uint64_t pass) const {
  return Done(store_of_[layer], pass);
}

std::optional<OpId> ComputedOps::Missing(uint64_t pass) const {
  for (size_t i = 0; i < graph_.ops.size(); ++i) {
    if (!Done(i, pass)) return OpId(i);
  }
  return std::nullopt;
}

}  // namespace tinyai
