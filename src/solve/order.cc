#include "solve/order.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "solve/order_net.h"
#include "solve/order_piece.h"
#include "solve/order_pieces.h"

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

// About a second of the costliest states.
constexpr uint64_t kNormalStates = 200'000;
// A run of ops in a topological order of the whole.
struct Piece {
  Ops ops;
  OrderNet net;
  int64_t base;  // what lives besides
  PieceAnswer answer;
};

class Solver {
 public:
  Solver(const OrderProblem& problem, const SearchLimits& limits)
      : limits_(limits),
        placed_(MakeOrderNet(problem)),
        budget_(limits_, limits.effort == Effort::kExact ? UINT64_MAX : kNormalStates) {}

  OrderResult Solve(const OrderProblem& problem);

 private:
  void CutPieces();
  void ImprovePieces();
  // Not below the peak of any order: what an op takes by itself, levels between the pieces.
  void RaiseFloor(int64_t bytes) { floor_ = std::max(floor_, bytes); }

  const SearchLimits& limits_;
  PlacedNet placed_;
  OrderBudget budget_;
  std::vector<Piece> pieces_;
  int64_t floor_ = 0;
};

void Solver::CutPieces() {
  const OrderNet& net = placed_.net;
  const Ops order = TopologicalOrder(net);
  const std::vector<size_t> begins = ForcedPieces(net, order);
  NetCutter cutter(net);
  OrderState state(net);
  std::vector<uint8_t> before(net.ops(), 0);
  RaiseFloor(state.level());
  for (size_t i = 0; i + 1 < begins.size(); ++i) {
    Piece piece;
    piece.ops.assign(order.begin() + static_cast<std::ptrdiff_t>(begins[i]),
                     order.begin() + static_cast<std::ptrdiff_t>(begins[i + 1]));
    if (piece.ops.size() == 1) {
      RaiseFloor(state.level() + state.Try(piece.ops[0]).rise);
      piece.answer.order = {0};
    } else {
      piece.net = cutter.Part(piece.ops, before);
      piece.base = state.level() - OrderState(piece.net).level();
      piece.answer = QuickOrder(piece.net);
    }
    for (const uint32_t op : piece.ops) {
      state.Run(op);
      before[op] = 1;
    }
    RaiseFloor(state.level());
    pieces_.push_back(std::move(piece));
  }
}

void Solver::ImprovePieces() {
  // The costliest first: what it is proved to need is a floor for the others.
  std::vector<Piece*> rest;
  for (Piece& piece : pieces_) {
    if (piece.ops.size() > 1) rest.push_back(&piece);
  }
  std::stable_sort(rest.begin(), rest.end(), [](const Piece* a, const Piece* b) {
    return a->base + a->answer.peak > b->base + b->answer.peak;
  });
  std::map<std::vector<int64_t>, PieceAnswer> known;
  for (Piece* piece : rest) {
    if (piece->base + piece->answer.peak <= floor_) break;
    std::vector<int64_t> signature = SignatureOf(piece->net);
    auto at = known.find(signature);
    if (at == known.end()) {
      PieceAnswer answer = SolvePiece(piece->net, floor_ - piece->base, budget_);
      at = known.emplace(std::move(signature), std::move(answer)).first;
    }
    if (at->second.peak < piece->answer.peak) piece->answer = at->second;
    RaiseFloor(piece->base + at->second.bound);
  }
}

OrderResult Solver::Solve(const OrderProblem& problem) {
  CutPieces();
  if (limits_.effort != Effort::kFast) ImprovePieces();
  OrderResult result;
  for (const Piece& piece : pieces_) {
    for (const uint32_t op : piece.answer.order) result.order.push_back(piece.ops[op]);
  }
  result.peak_bytes = static_cast<uint64_t>(placed_.base + PeakOf(placed_.net, result.order));
  result.lower_bound_bytes = static_cast<uint64_t>(placed_.base + floor_);
  result.states = budget_.states();
  result.method = "descents";
  Ops given(problem.ops.size());
  std::iota(given.begin(), given.end(), 0);
  const Result<uint64_t> given_peak = PeakOfOrder(problem, given);
  if (given_peak && *given_peak <= result.peak_bytes) {
    result.order = std::move(given);
    result.peak_bytes = *given_peak;
    result.method = "given order";
  }
  return result;
}

}  // namespace

OrderResult SolveOrder(const OrderProblem& problem, const SearchLimits& limits) {
  return Solver(problem, limits).Solve(problem);
}

}  // namespace tinyai
