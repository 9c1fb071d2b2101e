#include "solve/order_piece.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>

#include "solve/order_cut.h"
#include "solve/order_greedy.h"
#include "solve/order_lifetimes.h"
#include "solve/order_modules.h"
#include "solve/order_pieces.h"
#include "solve/order_tree.h"

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

constexpr int64_t kNoFloor = std::numeric_limits<int64_t>::min() / 4;
// A larger net takes long for every state.
constexpr size_t kMostSearched = 5000;
// States times ops of a descent before other ways are tried; what is proved at all mostly takes
// less.
constexpr uint64_t kWorkAtFirst = 1'000'000;
constexpr int kRounds = 4;
// Of modules within modules; keeps the recursion within a thread's stack.
constexpr int kMostNested = 200;

// What has been put together of an order, one part after the other.
class Assembly {
 public:
  Assembly(const OrderNet& net, int64_t floor)
      : net_(net), cutter_(net), state_(net), before_(net.ops(), 0) {
    answer_.bound = std::max(floor, state_.level());
    answer_.best = true;
  }

  // `solve` gets the next ops as a net of their own, and their floor.
  template <typename Solve>
  void Add(const Ops& ops, const Solve& solve) {
    const OrderNet part = cutter_.Part(ops, before_);
    const int64_t base = state_.level() - OrderState(part).level();
    PieceAnswer side = solve(part, answer_.bound - base);
    answer_.bound = std::max(answer_.bound, side.bound + base);
    answer_.best &= side.best;
    for (const uint32_t local : side.order) {
      answer_.order.push_back(ops[local]);
      state_.Run(ops[local]);
      before_[ops[local]] = 1;
    }
    answer_.bound = std::max(answer_.bound, state_.level());
  }

  PieceAnswer Finish() {
    answer_.peak = PeakOf(net_, answer_.order);
    return std::move(answer_);
  }

 private:
  const OrderNet& net_;
  NetCutter cutter_;
  OrderState state_;
  std::vector<uint8_t> before_;
  PieceAnswer answer_;
};

// If the net is a tree in either direction.
std::optional<PieceAnswer> SolveTree(const OrderNet& net, int64_t floor) {
  std::optional<Ops> order = TreeOrder(net);
  if (!order) {
    order = TreeOrder(Reversed(net));
    if (!order) return std::nullopt;
    std::reverse(order->begin(), order->end());
  }
  PieceAnswer answer;
  answer.peak = PeakOf(net, *order);
  answer.order = std::move(*order);
  answer.bound = std::max(floor, answer.peak);
  answer.best = true;
  return answer;
}

class PieceSolver {
 public:
  PieceSolver(uint64_t most_states, OrderBudget& budget)
      : most_states_(most_states), budget_(budget) {}

  // `alone`: the floor holds, and what matters is the peak. Otherwise the best order is wanted,
  // whatever runs in between: then there is no floor.
  PieceAnswer Solve(const OrderNet& net, bool alone, int64_t floor) {
    if (std::optional<PieceAnswer> tree = SolveTree(net, floor)) return std::move(*tree);
    Ops order(net.ops());
    std::iota(order.begin(), order.end(), 0);
    const std::vector<size_t> begins = ForcedPieces(net, order);
    Assembly assembly(net, alone ? floor : kNoFloor);
    for (size_t i = 0; i + 1 < begins.size(); ++i) {
      const Ops ops(order.begin() + static_cast<std::ptrdiff_t>(begins[i]),
                    order.begin() + static_cast<std::ptrdiff_t>(begins[i + 1]));
      assembly.Add(ops, [&](const OrderNet& part, int64_t its_floor) {
        return part.ops() == 1 ? QuickOrder(part) : SolveUnforced(part, alone, its_floor);
      });
    }
    return assembly.Finish();
  }

 private:
  // Both sides of a least cut: from the start down to it, and backwards from the end down to it.
  PieceAnswer SolveUnforced(const OrderNet& net, bool alone, int64_t floor) {
    return Reduced(net, [&](const OrderNet& reduced) {
      const std::vector<uint8_t> inside = LeastCut(reduced);
      Ops sides[2];
      for (uint32_t op = 0; op < reduced.ops(); ++op) sides[inside[op] ? 0 : 1].push_back(op);
      Assembly assembly(reduced, alone ? floor : kNoFloor);
      for (const bool backward : {false, true}) {
        assembly.Add(sides[backward], [&](const OrderNet& part, int64_t its_floor) {
          return Reduced(part, [&](const OrderNet& side) {
            return SolveSide(side, backward, alone ? its_floor : kNoFloor);
          });
        });
      }
      return assembly.Finish();
    });
  }

  // Solves a net after its modules have been ordered by themselves.
  template <typename Rest>
  PieceAnswer Reduced(const OrderNet& net, const Rest& solve) {
    std::vector<OrderModule> modules;
    std::vector<Ops> orders;
    NetCutter cutter(net);
    for (OrderModule& module : FindModules(net)) {
      if (nested_ >= kMostNested || budget_.over()) break;
      std::vector<uint8_t> before(net.ops(), 0);
      if (module.entry != OrderModule::kNone) before[module.entry] = 1;
      ++nested_;
      PieceAnswer answer = Solve(cutter.Part(module.ops, before), false, kNoFloor);
      --nested_;
      if (!answer.best) continue;
      orders.push_back(std::move(answer.order));
      modules.push_back(std::move(module));
    }
    if (modules.empty()) return solve(net);
    const ReducedNet reduced = Reduce(net, modules, orders);
    PieceAnswer answer = solve(reduced.net);
    answer.order = reduced.Expand(answer.order);
    return answer;
  }

  PieceAnswer SolveSide(const OrderNet& net, bool backward, int64_t floor) {
    PieceAnswer answer = QuickOrder(net);
    floor = std::max({floor, OrderState(net).level(), OrderState(Reversed(net)).level()});
    answer.bound = floor;
    answer.best = false;
    if (net.ops() > kMostSearched) return answer;
    if (answer.peak <= floor && floor > kNoFloor) {
      answer.best = true;
      return answer;
    }
    DescentResult found =
        LeastPeakDescent(backward ? Reversed(net) : net, floor, most_states_, budget_);
    answer.bound = found.peak;
    answer.best = found.proved;
    if (!found.proved) return answer;
    if (backward) std::reverse(found.order.begin(), found.order.end());
    answer.peak = PeakOf(net, found.order);
    answer.order = std::move(found.order);
    return answer;
  }

  uint64_t most_states_;  // of each descent
  OrderBudget& budget_;
  int nested_ = 0;
};

// Keeps the better order of two, and the better bound if `other` is of a net that needs no more.
void Take(const OrderNet& net, PieceAnswer& other, bool is_bound, PieceAnswer& best) {
  if (is_bound) best.bound = std::max(best.bound, other.bound);
  const int64_t peak = PeakOf(net, other.order);
  if (peak >= best.peak) return;
  best.peak = peak;
  best.order = std::move(other.order);
}

// Where tensors with several readers tie everything together: orders of nets in which they live
// longer, or shorter, which also are bounds.
void Approach(const OrderNet& net, int64_t floor, PieceSolver& solver, PieceAnswer& answer) {
  PieceAnswer longer = solver.Solve(WithLongerLives(net), true, floor);
  Take(net, longer, false, answer);
  for (int round = 0; round < kRounds && answer.peak > answer.bound; ++round) {
    const int64_t before = answer.peak;
    PieceAnswer shorter = solver.Solve(WithShorterLives(net, answer.order), true, answer.bound);
    Take(net, shorter, true, answer);
    if (answer.peak == before) break;
  }
}

}  // namespace

PieceAnswer QuickOrder(const OrderNet& net) {
  PieceAnswer best;
  best.order.resize(net.ops());
  std::iota(best.order.begin(), best.order.end(), 0);
  best.peak = PeakOf(net, best.order);
  best.best = net.ops() == 1;
  if (best.best) return best;
  const auto offer = [&](Ops order) {
    const int64_t peak = PeakOf(net, order);
    if (peak >= best.peak) return;
    best.peak = peak;
    best.order = std::move(order);
  };
  offer(GreedyOrder(net));
  Ops backward = GreedyOrder(Reversed(net));
  std::reverse(backward.begin(), backward.end());
  offer(std::move(backward));
  return best;
}

PieceAnswer SolvePiece(const OrderNet& net, int64_t floor, OrderBudget& budget) {
  if (std::optional<PieceAnswer> tree = SolveTree(net, floor)) return std::move(*tree);
  if (net.ops() > kMostSearched) {
    PieceAnswer answer = QuickOrder(net);
    answer.bound = floor;
    return answer;
  }
  const OrderNet trimmed = WithoutInnerPins(net);
  PieceSolver solver(std::max<uint64_t>(200, kWorkAtFirst / net.ops()), budget);
  PieceAnswer answer = solver.Solve(trimmed, true, floor);
  if (answer.peak > answer.bound) Approach(trimmed, floor, solver, answer);
  if (answer.peak <= answer.bound || budget.over()) return answer;
  PieceAnswer better = PieceSolver(UINT64_MAX, budget).Solve(trimmed, true, answer.bound);
  Take(trimmed, better, true, answer);
  return answer;
}

}  // namespace tinyai
