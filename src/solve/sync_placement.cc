#include "solve/sync_placement.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "solve/least_syncs.h"
#include "solve/sync_cuts.h"

namespace tinyai {
namespace {

constexpr uint32_t kNowhere = ~uint32_t{0};
constexpr size_t kMostSearched = 16;             // free ops
constexpr uint64_t kMostMoved = 20'000'000;      // ops and edges gone through by moving ops
constexpr uint64_t kMostEvaluated = 20'000'000;  // and by branch and bound

struct Counts {
  uint32_t syncs = 0, fences = 0;
  auto operator<=>(const Counts&) const = default;
};

class Placer {
 public:
  Placer(SyncNet net, const std::vector<std::vector<uint32_t>>& choices, const SearchLimits& limits)
      : net_(std::move(net)),
        choices_(choices),
        limits_(limits),
        order_(TopologicalOrder(net_)),
        before_(OpLists::Predecessors(net_)),
        after_(OpLists::Successors(net_)),
        size_(net_.size() + net_.edges.size()) {
    for (const uint32_t op : order_) {
      if (choices_[op].size() > 1) free_.push_back(op);
    }
  }

  SyncPlacement Run() {
    Begin();
    Move();
    bool proved = free_.empty();
    if (limits_.effort != Effort::kFast && free_.size() <= kMostSearched) {
      if (!free_.empty()) {
        best_ = Search(limits_);
        for (const uint32_t op : free_) net_.place[op] = kNowhere;
        proved = Branch(0);
      }
    }
    return {std::move(place_), best_.syncs, best_.fences, proved};
  }

 private:
  void Begin() {
    net_.place.assign(net_.size(), kNowhere);
    for (const uint32_t op : order_) {
      if (choices_[op].size() == 1) net_.place[op] = choices_[op][0];
    }
    for (const uint32_t op : free_) {
      for (const auto of : {before_.of(op), after_.of(op)}) {
        for (const uint32_t other : of) {
          if (net_.place[op] == kNowhere && Allows(op, net_.place[other])) {
            net_.place[op] = net_.place[other];
          }
        }
      }
      if (net_.place[op] == kNowhere) net_.place[op] = choices_[op][0];
    }
  }
  bool Allows(uint32_t op, uint32_t place) const {
    return std::find(choices_[op].begin(), choices_[op].end(), place) != choices_[op].end();
  }

  Counts Search(const SearchLimits& limits) {
    const LeastSyncs least = FindLeastSyncs(net_, limits);
    return {least.syncs, least.fences};
  }

  // One op after the other goes where it is best, until none wants to.
  void Move() {
    SearchLimits fast = limits_;
    fast.effort = Effort::kFast;
    best_ = Search(fast);
    uint64_t work = 0;
    for (bool moved = true; moved && best_.syncs != 0;) {
      moved = false;
      for (const uint32_t op : free_) {
        const uint32_t old = net_.place[op];
        uint32_t to = old;
        for (const uint32_t place : choices_[op]) {
          if (place == old || (work += size_) > kMostMoved || limits_.expired()) continue;
          net_.place[op] = place;
          const Counts counts = Search(fast);
          if (counts >= best_) continue;
          best_ = counts;
          to = place;
          moved = true;
        }
        net_.place[op] = to;
      }
    }
    place_ = net_.place;
  }

  // Places for the free ops from `at` on. False if the time was over before all were tried.
  bool Branch(size_t at) {
    if (best_.syncs == 0) return true;
    if ((evaluated_ += size_) > kMostEvaluated || limits_.expired()) return false;
    if (Bound(at) >= best_) return true;
    if (at == free_.size()) {
      const Counts counts = Search(limits_);
      if (counts >= best_) return true;
      best_ = counts;
      place_ = net_.place;
      return true;
    }
    bool all = true;
    for (const uint32_t place : choices_[free_[at]]) {
      net_.place[free_[at]] = place;
      all = Branch(at + 1) && all;
    }
    net_.place[free_[at]] = kNowhere;
    return all;
  }

  // What ops that have places need at least; those that have none yet hand on what they need.
  Counts Bound(size_t at) {
    SyncNet placed;
    placed.places = net_.places;
    std::vector<uint32_t> number(net_.size(), kNowhere);
    std::map<uint32_t, std::vector<uint32_t>> handed;  // by op without a place
    for (const uint32_t op : order_) {
      std::vector<uint32_t> needs;
      for (const uint32_t before : before_.of(op)) {
        if (number[before] != kNowhere) {
          needs.push_back(number[before]);
        } else {
          const std::vector<uint32_t>& by = handed[before];
          needs.insert(needs.end(), by.begin(), by.end());
        }
      }
      std::sort(needs.begin(), needs.end());
      needs.erase(std::unique(needs.begin(), needs.end()), needs.end());
      if (net_.place[op] == kNowhere) {
        handed[op] = std::move(needs);
        continue;
      }
      number[op] = placed.size();
      placed.place.push_back(net_.place[op]);
      for (const uint32_t need : needs) placed.edges.push_back({need, number[op]});
    }
    // Small nets are searched through at once, which is the better bound.
    if (at < free_.size() && placed.size() <= kMostExactlyBound) {
      const LeastSyncs least = FindLeastSyncs(std::move(placed), limits_);
      return {least.least_syncs, least.syncs_optimal() ? least.least_fences : 0};
    }
    std::vector<uint32_t> order(placed.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    const SyncCuts cuts = BoundByCuts(placed, OpLists::Predecessors(placed), order);
    return {cuts.least_syncs, cuts.least_fences};
  }

  static constexpr uint32_t kMostExactlyBound = 40;

  SyncNet net_;
  const std::vector<std::vector<uint32_t>>& choices_;
  const SearchLimits& limits_;
  const std::vector<uint32_t> order_;
  const OpLists before_, after_;
  const uint64_t size_;
  std::vector<uint32_t> free_;   // ops, in topological order
  std::vector<uint32_t> place_;  // the best so far
  Counts best_;
  uint64_t evaluated_ = 0;
};

}  // namespace

SyncPlacement PlaceForSyncs(SyncNet net, const std::vector<std::vector<uint32_t>>& choices,
                            const SearchLimits& limits) {
  return Placer(std::move(net), choices, limits).Run();
}

}  // namespace tinyai
