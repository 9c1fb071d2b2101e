#include "solve/improve_makespan.h"

#include <algorithm>

namespace tinyai {
namespace {

// Work behind each task: a measure only, paths are counted each for itself.
std::vector<int64_t> WorkBehind(const TaskGraph& graph) {
  std::vector<double> work(graph.size());
  double most = 1;
  for (auto task = graph.order.rbegin(); task != graph.order.rend(); ++task) {
    for (const uint32_t next : graph.after[*task]) {
      work[*task] += work[next] + static_cast<double>(graph.times[next]);
    }
    work[*task] = std::min(work[*task], 1e300);
    most = std::max(most, work[*task]);
  }
  std::vector<int64_t> out(graph.size());
  for (uint32_t task = 0; task < graph.size(); ++task) {
    out[task] = static_cast<int64_t>(work[task] / most * 1e15);
  }
  return out;
}

}  // namespace

MakespanImprover::MakespanImprover(const TaskGraph& graph)
    : graph_(graph), reversed_(Reversed(graph)), forwards_(graph_), backwards_(reversed_) {}

void MakespanImprover::Keep(const std::vector<int64_t>& start, int64_t makespan) {
  if (makespan >= makespan_) return;
  makespan_ = makespan;
  best_ = start;
}

void MakespanImprover::Offer(const std::vector<int64_t>& start) {
  int64_t makespan = 0;
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    makespan = std::max(makespan, start[task] + graph_.times[task]);
  }
  Keep(start, makespan);
}

int64_t MakespanImprover::PassBack(Kind kind) {
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    keys_[task] = -(current_[task] + graph_.times[task]);
  }
  const int64_t makespan =
      kind == Kind::kGreedy ? backwards_.Greedy(keys_, other_) : backwards_.Insert(keys_, other_);
  for (uint32_t task = 0; task < graph_.size(); ++task) {
    current_[task] = makespan - other_[task] - graph_.times[task];
  }
  Keep(current_, makespan);
  return makespan;
}

int64_t MakespanImprover::PassForward(Kind kind) {
  const int64_t makespan =
      kind == Kind::kGreedy ? forwards_.Greedy(keys_, current_) : forwards_.Insert(keys_, current_);
  Keep(current_, makespan);
  return makespan;
}

int64_t MakespanImprover::MakeAndPass(Kind kind, int rounds) {
  int64_t makespan = PassForward(kind);
  for (int round = 0; round < rounds; ++round) {
    PassBack(kind);
    keys_ = current_;
    makespan = PassForward(kind);
  }
  return makespan;
}

void MakespanImprover::ListSchedules(int rounds, const SearchLimits& limits, int64_t lower_bound) {
  const uint32_t count = graph_.size();
  const std::vector<int64_t> work = WorkBehind(graph_);
  for (int rule = 0; rule < 5; ++rule) {
    if (makespan_ <= lower_bound || (rule > 0 && limits.expired())) return;
    keys_.resize(count);
    for (uint32_t task = 0; task < count; ++task) {
      const int64_t level = graph_.tails[task] + graph_.times[task];
      const int64_t by_rule[] = {-level, graph_.heads[task] - level, -work[task],
                                 -graph_.tails[task], task};
      keys_[task] = by_rule[rule];
    }
    MakeAndPass(Kind::kGreedy, rounds);
  }
}

// xorshift64* (Vigna 2016).
uint64_t MakespanImprover::Random() {
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return (random_ * 0x2545f4914f6cdd1du) >> 32;
}

void MakespanImprover::Shake(uint64_t most_placements, const SearchLimits& limits,
                             int64_t lower_bound) {
  constexpr int kRounds = 1;
  constexpr uint32_t kMostToInsert = 4096;  // it may be quadratic
  constexpr int kPatience = 200;  // schedules without a better one before the best is taken again
  const uint32_t count = graph_.size();
  const uint64_t each = uint64_t{count + 1} * (1 + 2 * kRounds);
  std::vector<int64_t> from = best_;
  int64_t from_makespan = makespan_;
  int since = 0;
  for (uint64_t placed = 0; placed < most_placements; placed += each) {
    if (makespan_ <= lower_bound || limits.expired()) return;
    // Up to a quarter of the makespan, mostly little.
    const int64_t part = makespan_ / static_cast<int64_t>(4 + Random() % 60) + 1;
    for (uint32_t task = 0; task < count; ++task) {
      keys_[task] = from[task] + static_cast<int64_t>(Random() % static_cast<uint64_t>(part));
    }
    const bool insert = Random() % 2 != 0 && count <= kMostToInsert;
    const int64_t makespan = MakeAndPass(insert ? Kind::kInsert : Kind::kGreedy, kRounds);
    if (++since > kPatience) {
      from = best_;
      from_makespan = makespan_;
      since = 0;
    }
    if (makespan > from_makespan) continue;
    if (makespan < from_makespan) since = 0;
    from_makespan = makespan;
    from = current_;
  }
}

}  // namespace tinyai
