#include "solve/order.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "solve/order_greedy.h"
#include "solve/order_net.h"
#include "solve/order_piece.h"
#include "solve/order_pieces.h"
#include "solve/order_tree.h"

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

// Some ops that run between two that are forced, as a net of their own.
struct Piece {
  size_t begin, end;  // in the order of the whole
  OrderNet net;
  int64_t base;  // what lives besides
  PieceAnswer answer;

  int64_t peak() const { return base + answer.peak; }
};

class Solver {
 public:
  Solver(const OrderProblem& problem, const SearchLimits& limits, uint64_t most_work)
      : limits_(limits),
        placed_(MakeOrderNet(problem)),
        order_(TopologicalOrder(placed_.net)),
        budget_(limits_, limits.effort == Effort::kExact ? UINT64_MAX : most_work) {}

  OrderResult Solve(const OrderProblem& problem);

 private:
  void OrderQuickly();
  void CutPieces();
  void SolvePieces();
  // Follows order_, and raises the floor by what ops and levels between pieces need whatever the
  // order. Calls `piece` for each piece of several ops.
  template <typename Visit>
  void FollowPieces(const Visit& piece);
  // No order has a peak below the floor.
  void RaiseFloor(int64_t bytes) { floor_ = std::max(floor_, bytes); }

  const SearchLimits& limits_;
  PlacedNet placed_;
  Ops order_;  // at any time one that may be executed
  OrderBudget budget_;
  std::vector<Piece> pieces_;
  int64_t floor_ = 0;
};

template <typename Visit>
void Solver::FollowPieces(const Visit& piece) {
  const std::vector<size_t> begins = ForcedPieces(placed_.net, order_);
  OrderState state(placed_.net);
  RaiseFloor(state.level());
  for (size_t i = 0; i + 1 < begins.size(); ++i) {
    if (begins[i] + 1 == begins[i + 1]) {
      RaiseFloor(state.level() + state.Try(order_[begins[i]]).rise);
    } else {
      piece(begins[i], begins[i + 1], state);
    }
    for (size_t at = begins[i]; at < begins[i + 1]; ++at) state.Run(order_[at]);
    RaiseFloor(state.level());
  }
}

void Solver::OrderQuickly() {
  if (std::optional<Ops> best = TreeOrder(placed_.net)) {
    order_ = std::move(*best);
    RaiseFloor(PeakOf(placed_.net, order_));
    return;
  }
  FollowPieces([](size_t, size_t, const OrderState&) {});
  Ops greedy = GreedyOrder(placed_.net);
  if (PeakOf(placed_.net, greedy) < PeakOf(placed_.net, order_)) order_ = std::move(greedy);
}

void Solver::CutPieces() {
  NetCutter cutter(placed_.net);
  std::vector<uint8_t> before(placed_.net.ops(), 0);
  size_t done = 0;
  FollowPieces([&](size_t begin, size_t end, const OrderState& state) {
    for (; done < begin; ++done) before[order_[done]] = 1;
    Piece piece{
        begin, end, cutter.Part(std::span(order_).subspan(begin, end - begin), before), 0, {}};
    piece.base = state.level() - OrderState(piece.net).level();
    piece.answer = QuickOrder(piece.net);
    pieces_.push_back(std::move(piece));
  });
}

void Solver::SolvePieces() {
  // The costliest first: what it is proved to need is a floor for the others.
  std::vector<Piece*> by_peak;
  for (Piece& piece : pieces_) by_peak.push_back(&piece);
  std::stable_sort(by_peak.begin(), by_peak.end(),
                   [](const Piece* a, const Piece* b) { return a->peak() > b->peak(); });
  std::map<std::vector<int64_t>, PieceAnswer> known;
  for (Piece* piece : by_peak) {
    if (piece->peak() <= floor_) break;
    std::vector<int64_t> signature = SignatureOf(piece->net);
    auto at = known.find(signature);
    if (at == known.end()) {
      PieceAnswer answer = SolvePiece(piece->net, floor_ - piece->base, budget_);
      at = known.emplace(std::move(signature), std::move(answer)).first;
    }
    if (at->second.peak < piece->answer.peak) piece->answer = at->second;
    RaiseFloor(piece->base + at->second.bound);
  }
  for (const Piece& piece : pieces_) {
    const Ops old(order_.begin() + static_cast<std::ptrdiff_t>(piece.begin),
                  order_.begin() + static_cast<std::ptrdiff_t>(piece.end));
    for (size_t i = 0; i < old.size(); ++i) order_[piece.begin + i] = old[piece.answer.order[i]];
  }
}

OrderResult Solver::Solve(const OrderProblem& problem) {
  if (limits_.effort == Effort::kFast) {
    OrderQuickly();
  } else {
    CutPieces();
    SolvePieces();
  }
  OrderResult result;
  result.peak_bytes = static_cast<uint64_t>(placed_.base + PeakOf(placed_.net, order_));
  result.lower_bound_bytes = static_cast<uint64_t>(placed_.base + floor_);
  result.states = budget_.states();
  result.method = result.states > 0 ? "descents" : result.optimal() ? "trees" : "greedy";
  result.order = std::move(order_);
  Ops given(problem.ops.size());
  std::iota(given.begin(), given.end(), 0);
  const Result<uint64_t> given_peak = PeakOfOrder(problem, given);
  if (given_peak && *given_peak <= result.peak_bytes) {
    result.order = std::move(given);
    result.peak_bytes = *given_peak;
  }
  return result;
}

}  // namespace

OrderResult SolveOrder(const OrderProblem& problem, const SearchLimits& limits,
                       uint64_t most_work) {
  return Solver(problem, limits, most_work).Solve(problem);
}

}  // namespace tinyai
