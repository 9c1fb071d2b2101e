#include <algorithm>
#include <queue>

#include "solve/placement_net.h"

namespace tinyai {
namespace {

// Topcuoglu, Hariri and Wu 2002: ops by falling rank, each where it ends first.
class Heft {
 public:
  Heft(const PlacementNet& net, bool insert)
      : net_(net), insert_(insert), busy_(net.places), left_(net.problem.budgets) {}

  // Infinite seconds where an op finds no place with room.
  PlacementResult Run() {
    PlacementResult result;
    result.place.assign(net_.ops, 0);
    result.start.assign(net_.ops, 0);
    std::vector<uint32_t> missing(net_.ops);
    std::priority_queue<std::pair<double, int64_t>> ready;  // rank; lower number first
    const auto push = [&](uint32_t op) { ready.emplace(net_.ranks[op], -int64_t{op}); };
    for (uint32_t op = 0; op < net_.ops; ++op) {
      missing[op] = static_cast<uint32_t>(net_.before[op].size());
      if (missing[op] == 0) push(op);
    }
    while (!ready.empty()) {
      const auto op = static_cast<uint32_t>(-ready.top().second);
      ready.pop();
      if (!Place(op, result)) {
        result.seconds = PlacementProblem::kNever;
        return result;
      }
      for (const PlacementNet::Neighbour& next : net_.after[op]) {
        if (--missing[next.op] == 0) push(next.op);
      }
    }
    return result;
  }

 private:
  struct Span {
    double start, end;
  };

  bool Place(uint32_t op, PlacementResult& result) {
    double best = PlacementProblem::kNever;
    for (uint32_t place = 0; place < net_.places; ++place) {
      if (!left_.empty() && left_[place] < net_.Bytes(op)) continue;
      double ready = 0;
      for (const PlacementNet::Neighbour& before : net_.before[op]) {
        const uint32_t from = result.place[before.op];
        const double end = result.start[before.op] + net_.Seconds(before.op, from);
        ready = std::max(ready, end + net_.Travel(from, place, before.bytes));
      }
      const double seconds = net_.Seconds(op, place);
      const double start = Earliest(place, ready, seconds);
      if (start + seconds >= best) continue;
      best = start + seconds;
      result.place[op] = place;
      result.start[op] = start;
    }
    if (best == PlacementProblem::kNever) return false;
    result.seconds = std::max(result.seconds, best);
    const uint32_t place = result.place[op];
    if (!left_.empty()) left_[place] -= net_.Bytes(op);
    std::vector<Span>& busy = busy_[place];
    const Span span{result.start[op], best};
    if (!insert_) {
      busy.assign(1, span);
      return true;
    }
    busy.insert(std::upper_bound(busy.begin(), busy.end(), span,
                                 [](const Span& a, const Span& b) {
                                   return a.end != b.end ? a.end < b.end : a.start < b.start;
                                 }),
                span);
    return true;
  }

  double Earliest(uint32_t place, double ready, double seconds) const {
    const std::vector<Span>& busy = busy_[place];
    if (!insert_) return busy.empty() ? ready : std::max(ready, busy.back().end);
    double start = ready;
    auto next = std::upper_bound(busy.begin(), busy.end(), ready,
                                 [](double time, const Span& span) { return time < span.end; });
    for (; next != busy.end() && next->start < start + seconds; ++next) {
      start = std::max(start, next->end);
    }
    return start;
  }

  const PlacementNet& net_;
  const bool insert_;
  std::vector<std::vector<Span>> busy_;  // by end, then start; without insertion only the last one
  std::vector<uint64_t> left_;
};

}  // namespace

PlacementResult RunHeft(const PlacementNet& net, bool insert) { return Heft(net, insert).Run(); }

}  // namespace tinyai
