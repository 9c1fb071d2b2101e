#include <algorithm>
#include <cmath>
#include <numeric>

#include "solve/placement_net.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostEvaluated = 10'000'000;  // ops, about half a second
constexpr int kMostShakes = 300;
constexpr uint64_t kMostShaken = 4;  // ops at once

class Improver {
 public:
  Improver(const PlacementNet& net, const SearchLimits& limits, PlacementResult& result)
      : net_(net),
        limits_(limits),
        result_(result),
        times_(net),
        topological_(net.ops),
        position_(net.ops),
        room_(net.problem.budgets) {
    for (uint32_t i = 0; i < net.ops; ++i) topological_[net.order[i]] = i;
    for (uint32_t op = 0; op < net.ops && !room_.empty(); ++op) {
      room_[result.place[op]] -= net.Bytes(op);
    }
  }

  // To where no move helps; from there again and again with a few ops moved at random.
  void Run() {
    Descend();
    for (int shake = 0; shake < kMostShakes && !over(); ++shake) {
      const PlacementResult best = result_;
      const std::vector<uint64_t> room = room_;
      Shake();
      Descend();
      if (result_.seconds <= best.seconds) continue;
      result_ = best;
      room_ = room;
    }
  }

 private:
  bool over() const { return evaluated_ >= kMostEvaluated || limits_.expired(); }

  void Descend() {
    TakeOrder();
    while (!over()) {
      const double before = result_.seconds;
      MoveOps();
      if (result_.seconds == before) MoveParts();
      if (result_.seconds == before) return;
      TakeOrder();
    }
  }

  void Shake() {
    TakeOrder();  // of the best
    for (uint64_t moves = 1 + Random() % kMostShaken; moves > 0; --moves) {
      const auto op = static_cast<uint32_t>(Random() % net_.ops);
      const auto to = static_cast<uint32_t>(Random() % net_.places);
      if (to != result_.place[op] && HasRoom(op, to)) Move(op, to);
    }
    Keep(0);
  }

  // xorshift64* (Vigna 2016).
  uint64_t Random() {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return (random_ * 0x2545f4914f6cdd1du) >> 32;
  }

  // In order of the starts nothing starts later; a gap may have closed.
  void TakeOrder() {
    order_.resize(net_.ops);
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      if (result_.start[a] != result_.start[b]) return result_.start[a] < result_.start[b];
      const double end_a = result_.start[a] + net_.Seconds(a, result_.place[a]);
      const double end_b = result_.start[b] + net_.Seconds(b, result_.place[b]);
      return end_a != end_b ? end_a < end_b : topological_[a] < topological_[b];
    });
    for (uint32_t i = 0; i < net_.ops; ++i) position_[order_[i]] = i;
    Keep(0);
  }

  // Takes over the times of the places.
  void Keep(size_t from) {
    result_.seconds = times_.Evaluate(order_, result_.place, from, PlacementProblem::kNever);
    result_.start = times_.start();
    evaluated_ += net_.ops - from;
  }

  bool HasRoom(uint32_t op, uint32_t to) const {
    return std::isfinite(net_.Seconds(op, to)) && (room_.empty() || room_[to] >= net_.Bytes(op));
  }

  void Move(uint32_t op, uint32_t to) {
    if (!room_.empty()) {
      room_[result_.place[op]] += net_.Bytes(op);
      room_[to] -= net_.Bytes(op);
    }
    result_.place[op] = to;
  }

  // What was moved stays if that is better; else `back` undoes it. `from`: where it begins to
  // matter.
  template <typename Back>
  void Try(size_t from, const Back& back) {
    const double seconds = times_.Evaluate(order_, result_.place, from, result_.seconds);
    evaluated_ += net_.ops - from;
    if (seconds < result_.seconds) {
      result_.seconds = seconds;
      result_.start = times_.start();
      return;
    }
    back();
    times_.Evaluate(order_, result_.place, from, PlacementProblem::kNever);
    evaluated_ += net_.ops - from;
  }

  void MoveOps() {
    for (size_t i = net_.ops; i-- > 0;) {
      const uint32_t op = order_[i];
      for (uint32_t to = 0; to < net_.places; ++to) {
        const uint32_t from = result_.place[op];
        if (to == from || !HasRoom(op, to)) continue;
        if (over()) return;
        Move(op, to);
        Try(i, [&] { Move(op, from); });
      }
    }
  }

  // Ops at one place that edges connect.
  void MoveParts() {
    std::vector<uint8_t> seen(net_.ops);
    for (const uint32_t first : order_) {
      if (seen[first] != 0) continue;
      const std::vector<uint32_t> part = PartOf(first, seen);
      for (uint32_t to = 0; to < net_.places && part.size() > 1; ++to) {
        if (over()) return;
        MovePart(part, to);
      }
    }
  }

  std::vector<uint32_t> PartOf(uint32_t first, std::vector<uint8_t>& seen) const {
    std::vector<uint32_t> part{first};
    seen[first] = 1;
    for (size_t i = 0; i < part.size(); ++i) {
      const uint32_t op = part[i];
      for (const auto& neighbours : {net_.before[op], net_.after[op]}) {
        for (const PlacementNet::Neighbour& next : neighbours) {
          if (seen[next.op] != 0 || result_.place[next.op] != result_.place[op]) continue;
          seen[next.op] = 1;
          part.push_back(next.op);
        }
      }
    }
    return part;
  }

  void MovePart(const std::vector<uint32_t>& part, uint32_t to) {
    const std::vector<uint32_t> places = result_.place;
    const std::vector<uint64_t> room = room_;
    size_t first = net_.ops;
    for (const uint32_t op : part) {
      if (places[op] == to || !HasRoom(op, to)) continue;
      Move(op, to);
      first = std::min<size_t>(first, position_[op]);
    }
    if (first == net_.ops) return;
    Try(first, [&] {
      result_.place = places;
      room_ = room;
    });
  }

  const PlacementNet& net_;
  const SearchLimits& limits_;
  PlacementResult& result_;
  PlacementTimes times_;
  std::vector<uint32_t> topological_, order_, position_;
  std::vector<uint64_t> room_;
  uint64_t evaluated_ = 0, random_ = 1;
};

}  // namespace

void ImprovePlacement(const PlacementNet& net, const SearchLimits& limits,
                      PlacementResult& result) {
  Improver(net, limits, result).Run();
}

}  // namespace tinyai
