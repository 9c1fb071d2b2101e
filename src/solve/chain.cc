#include "solve/chain.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

constexpr double kSmall = 1e-12;  // of a period: rounding
// States of the search for kNormal, each in proportion to the ops: about a second for 20 of them.
constexpr uint64_t kNormalWork = 20'000'000;
constexpr size_t kMostSlots = 128;  // of rings that are tried first

// What waits for what in one pass: load k starts at node 2 k, its op ends at node 2 k + 1.
class Waits {
 public:
  // `ring_bytes`: room for what is loaded. Each weight alone fits.
  Waits(const ChainProblem& problem, const std::vector<bool>& loads, uint64_t ring_bytes) {
    double between = 0, first = 0;  // computed since the last op that loads, and before the first
    for (size_t op = 0; op < problem.ops.size(); ++op) {
      const ChainOp& one = problem.ops[op];
      compute_ += one.compute_seconds;
      if (!loads[op]) {
        between += one.compute_seconds;
        continue;
      }
      if (ops_.empty()) first = between;
      ops_.push_back(op);
      bytes_.push_back(one.bytes);
      load_.push_back(one.load_seconds);
      step_.push_back(between + one.compute_seconds);
      own_.push_back(one.compute_seconds);
      loading_ += one.load_seconds;
      between = 0;
    }
    if (ops_.empty()) return;
    first_ = first;
    step_[0] = between + first + own_[0];  // from the last one of the pass before
    AddEdges(ring_bytes);
  }

  double Period() {
    period_ = std::max(compute_, loading_);
    while (!ops_.empty() && Lengthen()) {
    }
    return period_;
  }

  // After Period(): by op.
  std::vector<double> LoadStarts(size_t ops) const {
    std::vector<double> out(ops, 0);
    if (ops_.empty()) return out;
    const double start = at_[1] - own_[0] - first_;  // of the pass
    for (size_t k = 0; k < ops_.size(); ++k) out[ops_[k]] = at_[2 * k] - start;
    return out;
  }

 private:
  struct Edge {
    uint32_t from, to, passes;
    double seconds;
  };

  void AddEdges(uint64_t ring_bytes) {
    const auto count = static_cast<uint32_t>(ops_.size());
    for (uint32_t k = 0; k < count; ++k) {
      // The loads that fit the ring together with load k, counted backwards over at most two
      // passes: the one before these makes room. From two passes on nobody ever waits for that.
      uint64_t held = 0;
      uint32_t fit = 0;
      for (; fit < 2 * count; ++fit) {
        const uint64_t more = bytes_[(k + 2 * count - fit) % count];
        if (more > ring_bytes - held) break;
        held += more;
      }
      const uint32_t freed = (k + 2 * count - fit) % count;
      const uint32_t passes = 2 - (k + 2 * count - fit) / count;
      const uint32_t before = (k + count - 1) % count, wraps = k == 0 ? 1 : 0;
      edges_.push_back({2 * before, 2 * k, wraps, load_[before]});
      edges_.push_back({2 * freed + 1, 2 * k, passes, 0});
      edges_.push_back({2 * k, 2 * k + 1, 0, load_[k] + own_[k]});
      edges_.push_back({2 * before + 1, 2 * k + 1, wraps, step_[k]});
    }
  }

  // Looks for times with this period; if a cycle of waits takes longer, that is the new period.
  bool Lengthen() {
    at_.assign(2 * ops_.size(), 0);
    by_.assign(at_.size(), kNone);
    bool moved = true;
    while (moved) {
      moved = false;
      for (uint32_t i = 0; i < edges_.size(); ++i) {
        const Edge& edge = edges_[i];
        const double start = at_[edge.from] + edge.seconds - period_ * edge.passes;
        if (start <= at_[edge.to] + kSmall * period_) continue;
        at_[edge.to] = start;
        by_[edge.to] = i;
        moved = true;
      }
      if (moved && TakeCycle()) return true;
    }
    return false;
  }

  // A cycle of the edges that moved each node last.
  bool TakeCycle() {
    std::vector<uint32_t> seen(at_.size(), kNone);
    for (uint32_t start = 0; start < at_.size(); ++start) {
      uint32_t node = start;
      while (node != kNone && seen[node] == kNone) {
        seen[node] = start;
        node = by_[node] == kNone ? kNone : edges_[by_[node]].from;
      }
      if (node == kNone || seen[node] != start) continue;
      double seconds = 0, passes = 0;
      const uint32_t end = node;
      do {
        const Edge& edge = edges_[by_[node]];
        seconds += edge.seconds;
        passes += edge.passes;
        node = edge.from;
      } while (node != end);
      const bool longer = seconds > period_ * passes * (1 + kSmall);
      if (longer) period_ = seconds / passes;
      return longer;
    }
    return false;
  }

  static constexpr uint32_t kNone = ~uint32_t{0};
  std::vector<size_t> ops_;  // that load
  std::vector<uint64_t> bytes_;
  std::vector<double> load_, step_, own_;  // step: computed since the one before has ended
  double first_ = 0, compute_ = 0, loading_ = 0, period_ = 0;
  std::vector<Edge> edges_;
  std::vector<double> at_;
  std::vector<uint32_t> by_;
};

class ChainSearch {
 public:
  ChainSearch(const ChainProblem& problem, const SearchLimits& limits)
      : problem_(problem), limits_(limits), by_worth_(problem.ops.size()) {
    std::iota(by_worth_.begin(), by_worth_.end(), size_t{0});
    const auto worth = [&](size_t i) {
      const ChainOp& op = problem.ops[i];
      return op.load_seconds / std::max(1.0, static_cast<double>(op.bytes));
    };
    std::stable_sort(by_worth_.begin(), by_worth_.end(),
                     [&](size_t a, size_t b) { return worth(a) > worth(b); });
    for (const ChainOp& op : problem.ops) {
      compute_ += op.compute_seconds;
      all_bytes_ += op.bytes;
      largest_ = std::max(largest_, op.bytes);
    }
  }

  // What must be loaded at least if these are decided, the first so many by worth.
  double Bound(size_t decided, uint64_t kept, uint64_t largest_loaded, double loading) const {
    uint64_t left = problem_.memory_bytes - kept, rest = 0, least = ~uint64_t{0};
    for (size_t i = decided; i < by_worth_.size(); ++i) {
      rest += problem_.ops[by_worth_[i]].bytes;
      least = std::min(least, problem_.ops[by_worth_[i]].bytes);
    }
    // Where something is loaded, there is room for it.
    if (largest_loaded != 0 || rest > left) {
      const uint64_t load = largest_loaded != 0 ? largest_loaded : least;
      left -= std::min(left, std::max(load, problem_.ring_bytes));
    }
    for (size_t i = decided; i < by_worth_.size(); ++i) {
      const ChainOp& op = problem_.ops[by_worth_[i]];
      const uint64_t stays = std::min(left, op.bytes);
      left -= stays;
      if (stays == op.bytes) continue;
      loading += op.load_seconds * (1 - static_cast<double>(stays) / static_cast<double>(op.bytes));
    }
    return std::max(compute_, loading);
  }
  double RootBound() const { return Bound(0, 0, 0, 0); }

  ChainResult Run() {
    best_.lower_bound_seconds = RootBound();
    if (all_bytes_ <= problem_.memory_bytes) {
      Offer(std::vector<bool>(problem_.ops.size(), true));
    } else {
      for (size_t slots = 1; slots <= kMostSlots; slots += 1 + slots / 4) {
        Spread(std::max(slots * largest_, problem_.ring_bytes));
      }
      Search();
    }
    ChainPeriod(problem_, best_.stays, &best_.load_starts);
    return std::move(best_);
  }

 private:
  void Offer(std::vector<bool> stays) {
    const std::optional<double> period = ChainPeriod(problem_, stays);
    if (!period || (!best_.stays.empty() && *period >= best_.period_seconds)) return;
    best_.period_seconds = *period;
    best_.stays = std::move(stays);
  }

  // Leaves the ring so many bytes, and loads evenly what then does not fit.
  void Spread(uint64_t ring_bytes) {
    const uint64_t room = problem_.memory_bytes - std::min(problem_.memory_bytes, ring_bytes);
    std::vector<bool> stays(problem_.ops.size());
    const double share = 1 - static_cast<double>(room) / static_cast<double>(all_bytes_);
    double owed = 0;
    uint64_t kept = 0;
    for (size_t i = 0; i < stays.size(); ++i) {
      const double bytes = static_cast<double>(problem_.ops[i].bytes);
      owed += bytes * share;
      stays[i] = owed * 2 < bytes && problem_.ops[i].bytes <= room - kept;
      if (stays[i]) kept += problem_.ops[i].bytes;
      if (!stays[i]) owed -= bytes;
    }
    Offer(stays);
    // And by what a byte saves.
    kept = 0;
    stays.assign(stays.size(), false);
    for (const size_t i : by_worth_) {
      if (problem_.ops[i].bytes > room - kept) continue;
      kept += problem_.ops[i].bytes;
      stays[i] = true;
    }
    Offer(std::move(stays));
  }

  void Search() {
    if (limits_.effort == Effort::kFast || best_.optimal()) return;
    left_ =
        limits_.effort == Effort::kExact ? ~uint64_t{0} : kNormalWork / (problem_.ops.size() + 1);
    loads_.assign(problem_.ops.size(), false);
    open_ = best_.period_seconds;
    Decide(0, 0, 0, 0);
    best_.lower_bound_seconds =
        std::max(best_.lower_bound_seconds, std::min(open_, best_.period_seconds));
  }

  // `open_` ends as the least bound of what was not looked into, or of what is no better.
  void Decide(size_t decided, uint64_t kept, uint64_t largest_loaded, double loading) {
    double bound = Bound(decided, kept, largest_loaded, loading);
    const uint64_t ring = std::max(largest_loaded, problem_.ring_bytes);
    if (largest_loaded != 0 && ring > problem_.memory_bytes - kept) return;
    if (bound < best_.period_seconds && loading > 0) {
      bound = std::max(bound, Waits(problem_, loads_, problem_.memory_bytes - kept).Period());
    }
    if (bound >= best_.period_seconds * (1 - kSmall)) return;
    if (left_ == 0 || limits_.expired()) {
      open_ = std::min(open_, bound);
      return;
    }
    --left_;
    ++best_.states;
    if (decided == by_worth_.size()) {
      std::vector<bool> stays(loads_);
      stays.flip();
      return Offer(std::move(stays));
    }
    const size_t op = by_worth_[decided];
    const ChainOp& one = problem_.ops[op];
    if (one.bytes <= problem_.memory_bytes - kept) {
      Decide(decided + 1, kept + one.bytes, largest_loaded, loading);
    }
    loads_[op] = true;
    Decide(decided + 1, kept, std::max(largest_loaded, one.bytes), loading + one.load_seconds);
    loads_[op] = false;
  }

  const ChainProblem& problem_;
  const SearchLimits& limits_;
  std::vector<size_t> by_worth_;  // seconds saved per byte, most first
  double compute_ = 0;
  uint64_t all_bytes_ = 0, largest_ = 0;
  ChainResult best_;
  std::vector<bool> loads_;  // as far as decided
  uint64_t left_ = 0;        // states
  double open_ = 0;
};

}  // namespace

std::optional<double> ChainPeriod(const ChainProblem& problem, const std::vector<bool>& stays,
                                  std::vector<double>* load_starts) {
  uint64_t ring = problem.memory_bytes, largest = 0;
  for (size_t i = 0; i < stays.size(); ++i) {
    const uint64_t bytes = problem.ops[i].bytes;
    if (!stays[i]) {
      largest = std::max(largest, bytes);
    } else if (bytes > ring) {
      return std::nullopt;
    } else {
      ring -= bytes;
    }
  }
  if (largest > 0 && std::max(largest, problem.ring_bytes) > ring) return std::nullopt;
  std::vector<bool> loads(stays);
  loads.flip();
  Waits waits(problem, loads, ring);
  const double period = waits.Period();
  if (load_starts != nullptr) *load_starts = waits.LoadStarts(stays.size());
  return period;
}

double ChainBound(const ChainProblem& problem) { return ChainSearch(problem, {}).RootBound(); }

std::optional<ChainResult> SolveChain(const ChainProblem& problem, const SearchLimits& limits) {
  for (const ChainOp& op : problem.ops) {
    if (op.bytes > problem.memory_bytes) return std::nullopt;
  }
  uint64_t all = 0;
  for (const ChainOp& op : problem.ops) all += op.bytes;
  if (all > problem.memory_bytes && problem.ring_bytes > problem.memory_bytes) return std::nullopt;
  return ChainSearch(problem, limits).Run();
}

}  // namespace tinyai
