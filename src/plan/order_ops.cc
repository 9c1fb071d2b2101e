#include <numeric>

#include "plan/draft.h"
#include "plan/order_wishes.h"
#include "solve/order.h"

namespace tinyai {
namespace {

// The graph's values as tensors. One that an op overwrites, because nobody else reads it, goes on
// as the same tensor; what only orders ops is a tensor without bytes.
class ProblemWriter {
 public:
  ProblemWriter(const Graph& graph, uint64_t chunk)
      : graph_(graph),
        chunk_(chunk),
        tensor_of_(graph.values.size()),
        readers_(graph.values.size()) {
    for (const Op& op : graph.ops) {
      for (const ValueId in : op.ins) ++readers_[Index(in)];
    }
    ++readers_[Index(graph.logits())];
    stored_.resize(graph.attention.layers);
  }

  OrderProblem Write() {
    for (const Op& op : graph_.ops) AddOp(op);
    problem_.outputs = {tensor_of_[Index(graph_.logits())].back()};
    return std::move(problem_);
  }

 private:
  uint32_t AddTensor(uint64_t bytes) {
    problem_.tensor_bytes.push_back(bytes);
    return static_cast<uint32_t>(problem_.tensor_bytes.size() - 1);
  }
  uint64_t BytesOf(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.row_bytes * (value.rows == Rows::kTokens ? chunk_ : 1);
  }

  void AddOp(const Op& op) {
    OrderProblem::Op out;
    for (const ValueId in : op.ins) {
      const std::vector<uint32_t>& tensors = tensor_of_[Index(in)];
      out.ins.insert(out.ins.end(), tensors.begin(), tensors.end());
    }
    if (const auto* attention = std::get_if<op::Attention>(&op.kind)) {
      out.ins.push_back(stored_[attention->layer]);
    }
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) {
      out.outs = {stored_[store->layer] = AddTensor(0)};
    }
    if (op.out) {
      std::vector<uint32_t>& tensors = tensor_of_[Index(*op.out)];
      const bool takes = WorksInPlace(op.kind) && readers_[Index(op.ins[0])] == 1 &&
                         BytesOf(op.ins[0]) == BytesOf(*op.out);
      if (takes) tensors.push_back(tensor_of_[Index(op.ins[0])].front());
      tensors.push_back(AddTensor(takes ? 0 : BytesOf(*op.out)));
      out.outs = {tensors.back()};
    }
    problem_.ops.push_back(std::move(out));
  }

  const Graph& graph_;
  const uint64_t chunk_;
  OrderProblem problem_;
  std::vector<std::vector<uint32_t>> tensor_of_;  // by value: its buffer, and what says it is made
  std::vector<uint32_t> readers_;                 // by value
  std::vector<uint32_t> stored_;                  // by layer
};

}  // namespace

OpOrder OrderOps(const Graph& graph, uint64_t chunk, const ModelWishes* wishes) {
  const OrderProblem problem = ProblemWriter(graph, chunk).Write();
  const OrderResult solved = SolveOrder(problem);
  OpOrder out{{}, solved.peak_bytes, solved.lower_bound_bytes};
  std::vector<uint32_t> given(graph.ops.size());
  std::iota(given.begin(), given.end(), 0u);
  // Of equally good orders the graph's own: it follows the file.
  const bool keep = PeakOfOrder(problem, given) == solved.peak_bytes;
  for (const uint32_t op : keep ? given : solved.order) out.ops.push_back(OpId(op));
  if (wishes == nullptr || wishes->orders.empty()) return out;
  out.ops = OrderByWishes(graph, out.ops, *wishes);
  std::vector<uint32_t> wished;
  for (const OpId op : out.ops) wished.push_back(static_cast<uint32_t>(Index(op)));
  out.peak_bytes = PeakOfOrder(problem, wished).value_or(out.peak_bytes);
  return out;
}

}  // namespace tinyai
