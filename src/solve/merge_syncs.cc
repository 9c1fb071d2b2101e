#include "solve/merge_syncs.h"

#include <algorithm>

namespace tinyai {
namespace {

// The waits between each pair of places, in the order in which they are met.
void SortByPlaces(const FixedQueues& queues, std::vector<WaitEdge>& waits) {
  std::sort(waits.begin(), waits.end(), [&](const WaitEdge& a, const WaitEdge& b) {
    const auto key = [&](const WaitEdge& wait) {
      return std::tuple(queues.place(wait.from), queues.place(wait.to), queues.position(wait.to));
    };
    return key(a) < key(b);
  });
}

// The cheapest merge of two waits that follow each other. Of reduced waits the later one waits for
// the later fence.
std::optional<WaitEdge> CheapestMerge(const FixedQueues& queues, std::vector<WaitEdge>& waits,
                                      const MergeCost& cost) {
  const std::optional<QueueClocks> clocks = QueueClocks::Follow(queues, waits);
  const auto ends_never = [&](const WaitEdge& wait) {
    return wait.distance == 0 &&
           clocks->Of(wait.from, queues.place(wait.to)) > queues.position(wait.to);
  };
  SortByPlaces(queues, waits);
  std::optional<WaitEdge> best;
  uint64_t least = 0;
  for (size_t i = 1; i < waits.size(); ++i) {
    const WaitEdge &early = waits[i - 1], &late = waits[i];
    if (queues.place(early.from) != queues.place(late.from) ||
        queues.place(early.to) != queues.place(late.to)) {
      continue;
    }
    const WaitEdge merged{late.from, early.to, late.distance};
    if (ends_never(merged)) continue;
    const std::optional<uint64_t> price = cost(merged);
    if (!price || (best && *price >= least)) continue;
    best = merged;
    least = *price;
  }
  return best;
}

// How early each op can be complete, and how long it takes from its start to the end of all.
class Makespan {
 public:
  Makespan(const FixedQueues& queues, const std::vector<WaitEdge>& waits,
           std::span<const uint64_t> op_time)
      : complete_(queues.size()), rest_(queues.size()) {
    const std::optional<QueueClocks> clocks = QueueClocks::Follow(queues, waits);
    std::vector<WaitEdge> sorted = waits;
    std::vector<uint32_t> rank(queues.size());
    const std::vector<uint32_t>& order = clocks->order();
    for (uint32_t i = 0; i < order.size(); ++i) rank[order[i]] = i;
    const auto by_rank = [&](const WaitEdge& a, const WaitEdge& b) {
      return rank[a.to] < rank[b.to];
    };
    std::sort(sorted.begin(), sorted.end(), by_rank);
    size_t next = 0;
    for (const uint32_t op : order) {
      const std::vector<uint32_t>& queue = queues.order(queues.place(op));
      const uint32_t position = queues.position(op);
      uint64_t start = position > 0 ? complete_[queue[position - 1]] : 0;
      for (; next < sorted.size() && sorted[next].to == op; ++next) {
        start = std::max(start, complete_[sorted[next].from]);
      }
      complete_[op] = start + op_time[op];
      length_ = std::max(length_, complete_[op]);
    }
    std::sort(sorted.begin(), sorted.end(),
              [&](const WaitEdge& a, const WaitEdge& b) { return rank[a.from] > rank[b.from]; });
    next = 0;
    for (size_t i = order.size(); i-- > 0;) {
      const uint32_t op = order[i];
      const std::vector<uint32_t>& queue = queues.order(queues.place(op));
      const uint32_t position = queues.position(op);
      uint64_t after = position + 1 < queue.size() ? rest_[queue[position + 1]] : 0;
      for (; next < sorted.size() && sorted[next].from == op; ++next) {
        after = std::max(after, rest_[sorted[next].to]);
      }
      rest_[op] = after + op_time[op];
    }
  }

  uint64_t length() const { return length_; }
  uint64_t With(const WaitEdge& added) const {
    return std::max(length_, complete_[added.from] + rest_[added.to]);
  }

 private:
  std::vector<uint64_t> complete_, rest_;
  uint64_t length_ = 0;
};

std::vector<WaitEdge> Merged(const FixedQueues& queues, std::vector<WaitEdge> waits,
                             const WaitEdge& added) {
  waits.push_back(added);
  return *ReduceSyncs(queues, waits);
}

}  // namespace

std::optional<std::vector<WaitEdge>> MergeSyncs(const FixedQueues& queues,
                                                std::span<const WaitEdge> edges,
                                                const MergeCost& cost) {
  std::optional<std::vector<WaitEdge>> waits = ReduceSyncs(queues, edges);
  if (!waits) return std::nullopt;
  while (const std::optional<WaitEdge> added = CheapestMerge(queues, *waits, cost)) {
    waits = Merged(queues, std::move(*waits), *added);
  }
  return waits;
}

std::optional<std::vector<MergeStep>> MergeSyncsWithin(const FixedQueues& queues,
                                                       std::span<const WaitEdge> edges,
                                                       std::span<const uint64_t> op_time,
                                                       uint64_t most_time) {
  std::optional<std::vector<WaitEdge>> waits = ReduceSyncs(queues, edges);
  if (!waits) return std::nullopt;
  std::vector<MergeStep> steps;
  while (true) {
    const Makespan makespan(queues, *waits, op_time);
    steps.push_back({*waits, makespan.length()});
    const uint64_t most = std::max(most_time, steps.front().makespan);
    const auto added =
        CheapestMerge(queues, *waits, [&](const WaitEdge& wait) -> std::optional<uint64_t> {
          const uint64_t length = makespan.With(wait);
          return length <= most ? std::optional(length) : std::nullopt;
        });
    if (!added) return steps;
    waits = Merged(queues, std::move(*waits), *added);
  }
}

}  // namespace tinyai
