#include <algorithm>
#include <numeric>
#include <unordered_map>

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
    for (const ValueId id : graph.outputs) ++readers_[Index(id)];
    stored_.resize(graph.attention.layers);
  }

  OrderProblem Write() {
    for (const Op& op : graph_.ops) AddOp(op);
    for (const ValueId id : graph_.outputs) {
      problem_.outputs.push_back(tensor_of_[Index(id)].back());
    }
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

// Each layer of the problem of all ops as one op.
class LayerProblem {
 public:
  LayerProblem(const Graph& graph, const OrderProblem& ops)
      : graph_(graph),
        ops_(ops),
        maker_(ops.tensor_bytes.size(), kNone),
        leaves_(ops.tensor_bytes.size()) {
    for (const uint32_t output : ops.outputs) leaves_[output] = true;
    for (size_t l = 0; l < graph.layers.size(); ++l) {
      ForOps(l, [&](const OrderProblem::Op& op) {
        for (const uint32_t out : op.outs) maker_[out] = l;
      });
    }
    for (size_t l = 0; l < graph.layers.size(); ++l) {
      ForOps(l, [&](const OrderProblem::Op& op) {
        for (const uint32_t in : op.ins) {
          if (maker_[in] != l) leaves_[in] = true;
        }
      });
    }
  }

  OrderProblem Write() const {
    OrderProblem out{
        .tensor_bytes = ops_.tensor_bytes, .inputs = {}, .outputs = ops_.outputs, .ops = {}};
    for (size_t l = 0; l < graph_.layers.size(); ++l) {
      OrderProblem::Op& layer = out.ops.emplace_back();
      ForOps(l, [&](const OrderProblem::Op& op) {
        for (const uint32_t in : op.ins) {
          if (maker_[in] != l) layer.ins.push_back(in);
        }
        for (const uint32_t made : op.outs) {
          if (leaves_[made]) layer.outs.push_back(made);
        }
      });
      layer.workspace_bytes = Within(l);
    }
    for (size_t i = 0; i < leaves_.size(); ++i) {
      if (!leaves_[i]) out.tensor_bytes[i] = 0;
    }
    return out;
  }

 private:
  static constexpr size_t kNone = ~size_t{0};

  template <typename Visit>
  void ForOps(size_t layer, Visit&& visit) const {
    const Layer& it = graph_.layers[layer];
    for (uint32_t i = it.first_op; i < it.first_op + it.op_count; ++i) visit(ops_.ops[i]);
  }

  // The most that lives within a layer beyond what it leaves.
  uint64_t Within(size_t layer) const {
    std::unordered_map<uint32_t, size_t> last;  // reader of what does not leave
    size_t at = 0;
    ForOps(layer, [&](const OrderProblem::Op& op) {
      for (const uint32_t in : op.ins) {
        if (maker_[in] == layer && !leaves_[in]) last[in] = at;
      }
      ++at;
    });
    uint64_t live = 0, most = 0, left = 0;
    at = 0;
    ForOps(layer, [&](const OrderProblem::Op& op) {
      uint64_t unread = 0;
      for (const uint32_t made : op.outs) {
        const uint64_t bytes = ops_.tensor_bytes[made];
        live += bytes;
        if (leaves_[made]) left += bytes;
        if (!leaves_[made] && last.count(made) == 0) unread += bytes;
      }
      most = std::max(most, live);
      live -= unread;
      std::vector<uint32_t> ins = op.ins;
      std::sort(ins.begin(), ins.end());
      ins.erase(std::unique(ins.begin(), ins.end()), ins.end());
      for (const uint32_t in : ins) {
        const auto known = last.find(in);
        if (known != last.end() && known->second == at) live -= ops_.tensor_bytes[in];
      }
      ++at;
    });
    return most - std::min(most, left);
  }

  const Graph& graph_;
  const OrderProblem& ops_;
  std::vector<size_t> maker_;  // layer, by tensor
  std::vector<bool> leaves_;   // its layer, by tensor
};

OpOrder OrderLayers(const Graph& graph, const OrderProblem& problem, const SearchLimits& limits) {
  const OrderProblem layers = LayerProblem(graph, problem).Write();
  const OrderResult solved = SolveOrder(layers, limits);
  std::vector<uint32_t> given(layers.ops.size());
  std::iota(given.begin(), given.end(), 0u);
  const bool keep = PeakOfOrder(layers, given) == solved.peak_bytes;
  OpOrder out{{}, 0, solved.lower_bound_bytes};
  std::vector<uint32_t> order;
  for (const uint32_t at : keep ? given : solved.order) {
    const Layer& layer = graph.layers[at];
    for (uint32_t i = 0; i < layer.op_count; ++i) order.push_back(layer.first_op + i);
  }
  for (const uint32_t op : order) out.ops.push_back(OpId(op));
  out.peak_bytes = PeakOfOrder(problem, order).value_or(solved.peak_bytes);
  out.lower_bound_bytes = std::min(out.lower_bound_bytes, out.peak_bytes);
  return out;
}

}  // namespace

OpOrder OrderOps(const Graph& graph, const PlanRequest& request, uint64_t chunk) {
  const OrderProblem problem = ProblemWriter(graph, chunk).Write();
  if (request.whole_layers) return OrderLayers(graph, problem, request.limits);
  const OrderResult solved = SolveOrder(problem, request.limits);
  OpOrder out{{}, solved.peak_bytes, solved.lower_bound_bytes};
  std::vector<uint32_t> given(graph.ops.size());
  std::iota(given.begin(), given.end(), 0u);
  // Of equally good orders the graph's own: it follows the file.
  const bool keep = PeakOfOrder(problem, given) == solved.peak_bytes;
  for (const uint32_t op : keep ? given : solved.order) out.ops.push_back(OpId(op));
  const ModelWishes* const wishes = request.wishes;
  if (wishes == nullptr || wishes->orders.empty()) return out;
  out.ops = OrderByWishes(graph, out.ops, *wishes);
  std::vector<uint32_t> wished;
  for (const OpId op : out.ops) wished.push_back(static_cast<uint32_t>(Index(op)));
  out.peak_bytes = PeakOfOrder(problem, wished).value_or(out.peak_bytes);
  return out;
}

}  // namespace tinyai
