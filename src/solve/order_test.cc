#include "solve/order.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace tinyai {
namespace {

// The least peak over all orders that may be executed, by trying them all.
uint64_t BruteForce(const OrderProblem& problem) {
  std::vector<uint32_t> order(problem.ops.size());
  uint64_t best = UINT64_MAX;
  std::vector<uint8_t> there(problem.tensor_bytes.size(), 0), run(problem.ops.size(), 0);
  for (const uint32_t in : problem.inputs) there[in] = 1;
  const auto extend = [&](auto&& self, size_t depth) -> void {
    if (depth == order.size()) {
      best = std::min(best, PeakOfOrder(problem, order).value());
      return;
    }
    for (uint32_t op = 0; op < run.size(); ++op) {
      const auto& ins = problem.ops[op].ins;
      if (run[op] ||
          !std::all_of(ins.begin(), ins.end(), [&](uint32_t in) { return there[in] != 0; }))
        continue;
      order[depth] = op;
      run[op] = 1;
      for (const uint32_t out : problem.ops[op].outs) there[out] = 1;
      self(self, depth + 1);
      for (const uint32_t out : problem.ops[op].outs) there[out] = 0;
      run[op] = 0;
    }
  };
  extend(extend, 0);
  return best;
}

// A random net of `ops` ops. `reach`: how far back an op reads; 1 makes chains.
OrderProblem RandomNet(std::mt19937& random, size_t ops, size_t reach) {
  const auto below = [&](size_t n) { return static_cast<uint32_t>(random() % n); };
  OrderProblem problem;
  const auto tensor = [&] {
    problem.tensor_bytes.push_back(below(12));
    return static_cast<uint32_t>(problem.tensor_bytes.size() - 1);
  };
  for (size_t i = 0; i <= below(2); ++i) problem.inputs.push_back(tensor());
  for (size_t i = 0; i < ops; ++i) {
    OrderProblem::Op op;
    const auto made = static_cast<uint32_t>(problem.tensor_bytes.size());
    for (size_t k = below(4); k > 0; --k)
      op.ins.push_back(made - 1 - below(std::min<size_t>(made, reach)));
    for (size_t k = below(8) == 0 ? 2 : 1; k > 0; --k) op.outs.push_back(tensor());
    if (below(6) == 0) op.workspace_bytes = below(10);
    problem.ops.push_back(op);
  }
  for (uint32_t t = 0; t < problem.tensor_bytes.size(); ++t) {
    if (below(7) == 0) problem.outputs.push_back(t);
  }
  return problem;
}

TEST(SolveOrder, EqualsTheBestOfAllOrdersOnRandomNets) {
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    std::mt19937 random(seed);
    const OrderProblem problem = RandomNet(random, 1 + random() % 7, 1 + random() % 8);
    ASSERT_TRUE(CheckOrderProblem(problem)) << seed;
    const OrderResult result = SolveOrder(problem);
    const Result<uint64_t> peak = PeakOfOrder(problem, result.order);
    ASSERT_TRUE(peak) << seed << Describe(peak.error());
    ASSERT_EQ(*peak, result.peak_bytes) << seed;
    ASSERT_EQ(result.peak_bytes, BruteForce(problem)) << seed;
    ASSERT_TRUE(result.optimal()) << seed << " " << result.lower_bound_bytes;
  }
}

}  // namespace
}  // namespace tinyai
