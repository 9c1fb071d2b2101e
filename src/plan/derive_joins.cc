#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "plan/draft.h"

namespace tinyai {
namespace {

// Who touches which bytes of an access: by rows of the chunk (row r belongs to the same worker in
// every step), or in some other division.
enum class Split : uint8_t { kTokenRows, kLastRow, kOther };

struct Access {
  uint64_t begin, end;
  bool write;
  Split split;
  OpId op;
};

class Accesses {
 public:
  Accesses(const Graph& graph, const Plan& plan) : graph_(graph), plan_(plan) {}

  std::vector<Access> Of(OpId id) const {
    const Op& op = graph_.ops[Index(id)];
    std::vector<Access> out;
    // Ops of layer graphs are divided in whatever way suits each.
    const bool by_rows = graph_.is_text() && !std::holds_alternative<op::MatMul>(op.kind) &&
                         !std::holds_alternative<op::Attention>(op.kind);
    for (const ValueId in : op.ins) {
      const bool reads_by_rows = by_rows && !std::holds_alternative<op::TakeLast>(op.kind);
      out.push_back(OfValue(in, false, reads_by_rows, id));
    }
    if (op.out) out.push_back(OfValue(*op.out, true, by_rows, id));
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) {
      out.push_back(OfBuffer(plan_.cache_buffers[store->layer], true, Split::kTokenRows, id));
    }
    if (const auto* attention = std::get_if<op::Attention>(&op.kind)) {
      out.push_back(OfBuffer(plan_.cache_buffers[attention->layer], false, Split::kOther, id));
    }
    return out;
  }

 private:
  Access OfBuffer(BufferId id, bool write, Split split, OpId op) const {
    const PlanBuffer& buffer = plan_.buffer(id);
    return {buffer.offset, buffer.offset + buffer.bytes, write, split, op};
  }
  Access OfValue(ValueId id, bool write, bool by_rows, OpId op) const {
    const Split rows = graph_.value(id).rows == Rows::kTokens ? Split::kTokenRows : Split::kLastRow;
    return OfBuffer(plan_.value_buffers[Index(id)], write, by_rows ? rows : Split::kOther, op);
  }

  const Graph& graph_;
  const Plan& plan_;
};

bool NeedsJoin(const Access& earlier, const Access& later) {
  if (earlier.end <= later.begin || later.end <= earlier.begin) return false;
  if (!earlier.write && !later.write) return false;
  if (earlier.op == later.op) return false;  // slices of one product write different columns
  const bool same_worker = earlier.split == later.split && earlier.split != Split::kOther &&
                           earlier.begin == later.begin && earlier.end == later.end;
  return !same_worker;
}

}  // namespace

void DeriveJoins(const Graph& graph, Plan& plan) {
  const Accesses accesses(graph, plan);
  std::vector<Access> since_join;
  for (Step& step : plan.queues[kCpuQueue].steps) {
    const std::vector<Access> own = accesses.Of(std::get<step::Run>(step.work).op);
    step.joins = std::any_of(own.begin(), own.end(), [&](const Access& later) {
      return std::any_of(since_join.begin(), since_join.end(),
                         [&](const Access& earlier) { return NeedsJoin(earlier, later); });
    });
    if (step.joins) since_join.clear();
    if (since_join.empty() || since_join.back().op != own.back().op) {
      since_join.insert(since_join.end(), own.begin(), own.end());
    }
  }
}

void AddAskedJoins(const ModelWishes& wishes, Plan& plan) {
  std::vector<Step>& steps = plan.queues[kCpuQueue].steps;
  std::unordered_map<uint32_t, std::pair<size_t, size_t>> range;  // by op: first, last step
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto op = static_cast<uint32_t>(std::get<step::Run>(steps[i].work).op);
    range.try_emplace(op, i, i).first->second.second = i;
  }
  for (const ModelWishes::Order& order : wishes.orders) {
    if (!order.complete) continue;
    size_t last = 0, first = steps.size();
    for (const OpId op : wishes.groups[order.first]) {
      last = std::max(last, range.at(static_cast<uint32_t>(op)).second);
    }
    for (const OpId op : wishes.groups[order.then]) {
      first = std::min(first, range.at(static_cast<uint32_t>(op)).first);
    }
    const auto begin = steps.begin() + static_cast<ptrdiff_t>(last) + 1;
    const auto end = steps.begin() + static_cast<ptrdiff_t>(first) + 1;
    if (std::none_of(begin, end, [](const Step& step) { return step.joins; })) {
      steps[first].joins = true;
    }
  }
}

}  // namespace tinyai
