#include "solve/order.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>

#include "gtest/gtest.h"
#include "solve/order_cut.h"
#include "solve/order_modules.h"
#include "solve/order_net.h"
#include "solve/order_piece.h"
#include "solve/order_test_support.h"

namespace tinyai {
namespace {

// The least peak over all orders that may be executed, by following each of them.
uint64_t LeastPeakByOrders(const OrderProblem& problem) {
  std::vector<uint32_t> order(problem.ops.size());
  uint64_t best = UINT64_MAX;
  std::vector<uint8_t> there(problem.tensor_bytes.size(), 0), run(problem.ops.size(), 0);
  for (const uint32_t in : problem.inputs) there[in] = 1;
  const std::function<void(size_t)> extend = [&](size_t depth) {
    if (depth == order.size()) best = std::min(best, PeakOfOrder(problem, order).value());
    for (uint32_t op = 0; op < run.size(); ++op) {
      const auto& ins = problem.ops[op].ins;
      if (run[op] || !std::all_of(ins.begin(), ins.end(), [&](uint32_t in) { return there[in]; })) {
        continue;
      }
      order[depth] = op;
      run[op] = 1;
      for (const uint32_t out : problem.ops[op].outs) there[out] = 1;
      extend(depth + 1);
      for (const uint32_t out : problem.ops[op].outs) there[out] = 0;
      run[op] = 0;
    }
  };
  extend(0);
  return best;
}

void ExpectSound(const OrderProblem& problem, const OrderResult& result) {
  const Status good = CheckOrderProblem(problem);
  ASSERT_TRUE(good) << Describe(good.error());
  const Result<uint64_t> peak = PeakOfOrder(problem, result.order);
  ASSERT_TRUE(peak) << Describe(peak.error());
  ASSERT_EQ(*peak, result.peak_bytes);
  ASSERT_LE(result.lower_bound_bytes, result.peak_bytes);
  std::vector<uint32_t> given(problem.ops.size());
  std::iota(given.begin(), given.end(), 0);
  ASSERT_LE(result.peak_bytes, PeakOfOrder(problem, given).value());
}

// Expects the least peak, proved, and a true bound without search.
void ExpectSolved(const OrderProblem& problem, uint64_t least) {
  const OrderResult result = SolveOrder(problem);
  ASSERT_NO_FATAL_FAILURE(ExpectSound(problem, result));
  ASSERT_EQ(result.peak_bytes, least);
  ASSERT_EQ(result.lower_bound_bytes, least);
  const OrderResult fast = SolveOrder(problem, {.effort = Effort::kFast});
  ASSERT_NO_FATAL_FAILURE(ExpectSound(problem, fast));
  ASSERT_GE(fast.peak_bytes, least);
  ASSERT_LE(fast.lower_bound_bytes, least);
}

TEST(SolveOrder, EqualsTheBestOfAllOrdersOfSmallNets) {
  for (uint32_t seed = 0; seed < 3000; ++seed) {
    NetMaker maker(seed);
    maker.Any(1 + maker.Below(7), 1 + maker.Below(8));
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(ExpectSolved(maker.problem, LeastPeakByOrders(maker.problem)));
  }
}

TEST(SolveOrder, EqualsTheBestPathThroughAllSetsOfLargerNets) {
  for (uint32_t seed = 0; seed < 800; ++seed) {
    NetMaker maker(seed);
    switch (seed % 5) {
      case 0:
        maker.Any(8 + maker.Below(6), 2 + maker.Below(12));
        break;
      case 1:
        maker.Layered(10 + maker.Below(6));
        break;
      case 2:
        maker.InTree(8 + maker.Below(6), 1 + maker.Below(8));
        break;
      case 3:
        maker.OutTree(8 + maker.Below(4), 1 + maker.Below(6));
        break;
      case 4:
        maker.SeriesParallel(maker.Input(), 6 + maker.Below(8));
        maker.KeepUnread();
        break;
    }
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(ExpectSolved(maker.problem, LeastPeakBySets(maker.problem)));
  }
}

TEST(SolveOrder, EqualsTheBestPathThroughAllSetsWhereBranchesAreAlike) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    NetMaker maker(seed);
    const uint32_t shared = maker.Input();
    std::vector<uint32_t> ends;
    for (size_t kind = 0; kind < 2; ++kind) {
      const size_t length = 1 + maker.Below(3);
      std::vector<uint64_t> bytes;
      for (size_t i = 0; i < length; ++i) bytes.push_back(1 + maker.Below(9));
      for (size_t branch = 2 + maker.Below(2); branch > 0; --branch) {
        uint32_t at = shared;
        for (const uint64_t size : bytes) {
          at = maker.Op({at});
          maker.problem.tensor_bytes[at] = size;
          maker.problem.ops.back().workspace_bytes = 0;
        }
        ends.push_back(at);
      }
    }
    if (maker.Below(2) == 0) maker.Op(ends);
    maker.KeepUnread();
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(ExpectSolved(maker.problem, LeastPeakBySets(maker.problem)));
  }
}

TEST(SolveOrder, EqualsTheBestPathThroughAllSetsOfTreesThatShareATensor) {
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    NetMaker maker(seed);
    maker.InTreeThatShares(5 + maker.Below(10), 1 + maker.Below(10));
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(ExpectSolved(maker.problem, LeastPeakBySets(maker.problem)));
  }
}

TEST(SolveOrder, DoesNotTryBranchesThatAreAlikeInEveryOrder) {
  NetMaker maker(1);
  const uint32_t shared = maker.Input();
  maker.problem.tensor_bytes[shared] = 1000;
  std::vector<uint32_t> ends;
  for (int branch = 0; branch < 24; ++branch) {
    uint32_t at = shared;
    for (const uint64_t size : {50, 30, 70, 20}) {
      at = maker.Op({at});
      maker.problem.tensor_bytes[at] = size;
      maker.problem.ops.back().workspace_bytes = 0;
    }
    ends.push_back(at);
  }
  maker.Op(ends);
  maker.KeepUnread();
  const OrderResult result = SolveOrder(maker.problem);
  ExpectSound(maker.problem, result);
  EXPECT_TRUE(result.optimal()) << result.lower_bound_bytes << " " << result.peak_bytes;
}

TEST(SolveOrder, ProvesTreesOfThreeThousandOps) {
  for (const size_t reach : {2, 5, 50, 3000}) {
    NetMaker maker(7);
    maker.InTree(3000, reach);
    const OrderResult result = SolveOrder(maker.problem);
    ASSERT_NO_FATAL_FAILURE(ExpectSound(maker.problem, result));
    EXPECT_TRUE(result.optimal()) << reach;
  }
}

TEST(SolveOrder, IsTheSameEveryTime) {
  NetMaker maker(11);
  maker.SeriesParallel(maker.Input(), 120);
  maker.KeepUnread();
  const OrderResult once = SolveOrder(maker.problem), again = SolveOrder(maker.problem);
  EXPECT_EQ(once.order, again.order);
  EXPECT_EQ(once.states, again.states);
}

TEST(SolveOrder, HasAnAnswerWhenItsTimeIsOver) {
  NetMaker maker(12);
  maker.SeriesParallel(maker.Input(), 300);
  maker.KeepUnread();
  SearchLimits limits{.effort = Effort::kExact, .deadline = SearchLimits::Clock::now()};
  ExpectSound(maker.problem, SolveOrder(maker.problem, limits));
  std::stop_source stop;
  stop.request_stop();
  ExpectSound(maker.problem,
              SolveOrder(maker.problem, {.effort = Effort::kExact, .stop = stop.get_token()}));
}

TEST(SolveOrder, AnswersProblemsWithNothingToDo) {
  EXPECT_EQ(SolveOrder({}).peak_bytes, 0u);
  EXPECT_TRUE(SolveOrder({}).optimal());
  const OrderProblem only_tensors{.tensor_bytes = {5, 7}, .inputs = {0, 1}, .outputs = {0}};
  ExpectSolved(only_tensors, 5);  // nobody reads the other
}

TEST(SolveOrder, CountsWorkspaceAndWhatNobodyReads) {
  const OrderProblem problem{
      .tensor_bytes = {10, 3, 4}, .inputs = {0}, .outputs = {2}, .ops = {{{0}, {1, 2}, 100}}};
  ExpectSolved(problem, 117);
}

TEST(SolveOrder, OrdersWhatTheFileHasInNoOrder) {
  const OrderProblem problem{.tensor_bytes = {1, 2, 4},
                             .inputs = {0},
                             .outputs = {2},
                             .ops = {{{1}, {2}, 0}, {{0}, {1}, 0}}};
  const OrderResult result = SolveOrder(problem);
  EXPECT_EQ(result.order, (std::vector<uint32_t>{1, 0}));
  EXPECT_EQ(result.peak_bytes, 6u);
}

TEST(LeastCut, LeavesTheFewestBytesOfAllSets) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    NetMaker maker(seed);
    maker.Any(1 + maker.Below(9), 1 + maker.Below(9));
    const OrderNet net = MakeOrderNet(maker.problem).net;
    const std::vector<uint8_t> cut = LeastCut(net);
    int64_t least = INT64_MAX, found = -1;
    for (uint32_t set = 0; set < 1u << net.ops(); ++set) {
      OrderState state(net);
      for (uint32_t op = 0; op < net.ops(); ++op) {
        if ((set >> op & 1) != 0 && state.ready(op)) state.Run(op);
      }
      least = std::min(least, state.level());
      bool same = true;
      for (uint32_t op = 0; op < net.ops(); ++op) same &= state.done(op) == (cut[op] != 0);
      if (same) found = state.level();
    }
    ASSERT_EQ(found, least) << seed;
  }
}

TEST(Reduce, KeepsTheLeastPeak) {
  size_t modules_seen = 0;
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    NetMaker maker(seed);
    maker.SeriesParallel(maker.Input(), 4 + maker.Below(9));
    maker.KeepUnread();
    const OrderNet net = MakeOrderNet(maker.problem).net;
    OrderBudget budget(SearchLimits{}, 100'000);
    std::vector<std::vector<uint32_t>> orders;
    const std::vector<OrderModule> modules = FindModules(net);
    modules_seen += modules.size();
    NetCutter cutter(net);
    for (const OrderModule& module : modules) {
      std::vector<uint8_t> before(net.ops(), 0);
      if (module.entry != OrderModule::kNone) before[module.entry] = 1;
      orders.push_back(SolvePiece(cutter.Part(module.ops, before), INT64_MIN / 4, budget).order);
    }
    const ReducedNet reduced = Reduce(net, modules, orders);
    const PieceAnswer answer = SolvePiece(reduced.net, 0, budget);
    ASSERT_EQ(static_cast<uint64_t>(answer.peak), LeastPeakBySets(maker.problem)) << seed;
    ASSERT_EQ(PeakOf(net, reduced.Expand(answer.order)), answer.peak) << seed;
  }
  EXPECT_GT(modules_seen, 300u);
}

}  // namespace
}  // namespace tinyai
