#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <unordered_map>
#include <vector>

#include "solve/order.h"

// Random nets of the shapes that a search has to cope with.
namespace tinyai {

class NetMaker {
 public:
  explicit NetMaker(uint32_t seed) : random_(seed) {}

  size_t Below(size_t n) { return random_() % n; }
  // As 1..16 pages, so that ties are frequent.
  uint32_t Tensor() {
    problem.tensor_bytes.push_back(Below(8) == 0 ? 0 : 1 + Below(16));
    return static_cast<uint32_t>(problem.tensor_bytes.size() - 1);
  }
  uint32_t Input() {
    problem.inputs.push_back(Tensor());
    return problem.inputs.back();
  }
  uint32_t Op(std::vector<uint32_t> ins) {
    const uint32_t out = Tensor();
    problem.ops.push_back({std::move(ins), {out}, Below(8) == 0 ? Below(10) : 0});
    return out;
  }

  // `reach`: how far back an op reads; 1 makes chains.
  void Any(size_t ops, size_t reach) {
    for (size_t i = 0; i <= Below(2); ++i) Input();
    for (size_t i = 0; i < ops; ++i) {
      OrderProblem::Op op;
      const size_t made = problem.tensor_bytes.size();
      for (size_t k = Below(4); k > 0; --k) {
        op.ins.push_back(static_cast<uint32_t>(made - 1 - Below(std::min(made, reach))));
      }
      for (size_t k = Below(8) == 0 ? 2 : 1; k > 0; --k) op.outs.push_back(Tensor());
      if (Below(6) == 0) op.workspace_bytes = Below(10);
      problem.ops.push_back(op);
    }
    for (uint32_t t = 0; t < problem.tensor_bytes.size(); ++t) {
      if (Below(7) == 0) problem.outputs.push_back(t);
    }
  }

  // Ops in layers that read from the last two.
  void Layered(size_t ops) {
    std::vector<uint32_t> last{Input()}, layer;
    while (problem.ops.size() < ops) {
      for (size_t width = 1 + Below(4); width > 0; --width) {
        std::vector<uint32_t> ins;
        for (size_t k = 1 + Below(2); k > 0; --k) ins.push_back(last[Below(last.size())]);
        layer.push_back(Op(ins));
      }
      if (last.size() > 4) last.erase(last.begin(), last.end() - 4);
      last.insert(last.end(), layer.begin(), layer.end());
      layer.clear();
    }
    KeepUnread();
  }

  // Each op reads what its children made. `reach`: how far a parent may be from its child.
  void InTree(size_t ops, size_t reach) {
    std::vector<std::vector<uint32_t>> ins(ops);
    for (size_t i = 0; i < ops; ++i) {
      const size_t left = ops - 1 - i;
      const uint32_t out = Op(ins[i]);
      if (left > 0) ins[i + 1 + Below(std::min(left, reach))].push_back(out);
    }
    KeepUnread();
  }

  // Each op reads what another made.
  // The same, where ops without children mostly read one tensor, and so does some other op.
  void InTreeThatShares(size_t ops, size_t reach) {
    const uint32_t shared = Input();
    problem.tensor_bytes[shared] = 1 + Below(16);
    InTree(ops, reach);
    for (OrderProblem::Op& op : problem.ops) {
      if (Below(8) < (op.ins.empty() ? 7u : 1u)) op.ins.push_back(shared);
    }
  }

  void OutTree(size_t ops, size_t reach) {
    std::vector<uint32_t> made{Input()};
    for (size_t i = 0; i < ops; ++i) {
      made.push_back(Op({made[made.size() - 1 - Below(std::min(made.size(), reach))]}));
    }
    KeepUnread();
  }

  // From `in` on, series and parallels of about `ops` ops, the branches of a parallel reading the
  // same tensor or each one of its own. Returns the last tensor.
  uint32_t SeriesParallel(uint32_t in, size_t ops) {
    if (ops <= 1) return Op({in});
    if (Below(2) == 0) {
      const size_t first = 1 + Below(ops - 1);
      return SeriesParallel(SeriesParallel(in, first), ops - first);
    }
    std::vector<uint32_t> joined;
    const size_t branches = 2 + Below(2);
    const bool own = Below(2) == 0;
    for (size_t i = 0; i < branches; ++i) {
      joined.push_back(
          SeriesParallel(own ? Op({in}) : in, std::max<size_t>(1, (ops - 1) / branches)));
    }
    return Op(joined);
  }

  void KeepUnread() {
    std::vector<uint8_t> read(problem.tensor_bytes.size(), 0);
    for (const auto& op : problem.ops) {
      for (const uint32_t in : op.ins) read[in] = 1;
    }
    for (const auto& op : problem.ops) {
      if (!read[op.outs[0]]) problem.outputs.push_back(op.outs[0]);
    }
  }

  OrderProblem problem;

 private:
  std::mt19937 random_;
};

// The least peak over all orders: a shortest path through all sets of ops that may have run. At
// most 63 ops, and as many sets as memory holds.
inline uint64_t LeastPeakBySets(const OrderProblem& problem) {
  const size_t count = problem.tensor_bytes.size();
  std::vector<uint64_t> readers(count, 0), needs(problem.ops.size(), 0);
  std::vector<int> maker(count, -1);
  for (size_t i = 0; i < problem.ops.size(); ++i) {
    for (const uint32_t out : problem.ops[i].outs) maker[out] = static_cast<int>(i);
    for (const uint32_t in : problem.ops[i].ins) readers[in] |= uint64_t{1} << i;
  }
  for (const uint32_t out : problem.outputs) readers[out] |= uint64_t{1} << 63;
  for (size_t i = 0; i < problem.ops.size(); ++i) {
    for (const uint32_t in : problem.ops[i].ins) {
      if (maker[in] >= 0) needs[i] |= uint64_t{1} << maker[in];
    }
  }
  const auto level = [&](uint64_t set, uint64_t also) {  // `also`: an op that runs
    uint64_t bytes = 0;
    for (size_t t = 0; t < count; ++t) {
      const bool made = maker[t] < 0 || ((set | also) >> maker[t] & 1) != 0;
      const bool fresh = maker[t] >= 0 && (also >> maker[t] & 1) != 0;
      if (made && (fresh || (readers[t] & ~set) != 0)) bytes += problem.tensor_bytes[t];
    }
    return bytes;
  };
  std::unordered_map<uint64_t, uint64_t> now{{0, level(0, 0)}};
  for (size_t size = 0; size < problem.ops.size(); ++size) {
    std::unordered_map<uint64_t, uint64_t> next;
    for (const auto& [set, peak] : now) {
      for (size_t i = 0; i < problem.ops.size(); ++i) {
        const uint64_t op = uint64_t{1} << i;
        if ((set & op) != 0 || (needs[i] & ~set) != 0) continue;
        const uint64_t higher = std::max(peak, level(set, op) + problem.ops[i].workspace_bytes);
        const auto [at, is_new] = next.try_emplace(set | op, higher);
        if (!is_new) at->second = std::min(at->second, higher);
      }
    }
    now = std::move(next);
  }
  return now.begin()->second;
}

}  // namespace tinyai
