#include "solve/reduce_syncs.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"
#include "solve/merge_syncs.h"

namespace tinyai {
namespace {

struct Problem {
  FixedQueues queues;
  std::vector<WaitEdge> edges;
};

// Edges without distance go from smaller to larger ops, as the queues do; others anywhere.
Problem RandomProblem(uint32_t seed, uint32_t most_distance) {
  std::mt19937 random(seed);
  const uint32_t ops = 1 + random() % 10, places = 1 + random() % 4;
  std::vector<std::vector<uint32_t>> orders(places);
  for (uint32_t op = 0; op < ops; ++op) orders[random() % places].push_back(op);
  std::vector<WaitEdge> edges;
  for (uint32_t i = random() % 16; i > 0; --i) {
    WaitEdge edge{static_cast<uint32_t>(random() % ops), static_cast<uint32_t>(random() % ops),
                  static_cast<uint32_t>(random() % (most_distance + 1))};
    if (edge.distance == 0 && edge.from > edge.to) std::swap(edge.from, edge.to);
    if (edge.distance > 0 || edge.from < edge.to) edges.push_back(edge);
  }
  return {FixedQueues(orders, ops), edges};
}

// All iterations written out: which ops of which iterations come before which others.
class Unrolled {
 public:
  Unrolled(const FixedQueues& queues, const std::vector<WaitEdge>& edges, uint32_t rounds)
      : queues_(queues), rounds_(rounds), before_(size_t{rounds} * queues.size()) {
    for (std::vector<bool>& row : before_) row.resize(before_.size());
    for (uint32_t round = 0; round < rounds; ++round) {
      for (uint32_t place = 0; place < queues.places(); ++place) {
        const std::vector<uint32_t>& order = queues.order(place);
        for (size_t i = 1; i < order.size(); ++i) Set(order[i - 1], round, order[i], round);
        if (round > 0 && !order.empty()) Set(order.back(), round - 1, order[0], round);
      }
      for (const WaitEdge& edge : edges) {
        if (edge.distance <= round) Set(edge.from, round - edge.distance, edge.to, round);
      }
    }
    for (size_t via = 0; via < before_.size(); ++via) {
      for (std::vector<bool>& row : before_) {
        if (!row[via]) continue;
        for (size_t to = 0; to < row.size(); ++to) row[to] = row[to] || before_[via][to];
      }
    }
  }

  bool Acyclic() const {
    for (size_t i = 0; i < before_.size(); ++i) {
      if (before_[i][i]) return false;
    }
    return true;
  }
  bool Implies(const WaitEdge& edge) const {
    for (uint32_t round = edge.distance; round < rounds_; ++round) {
      if (!before_[Index(edge.from, round - edge.distance)][Index(edge.to, round)]) return false;
    }
    return true;
  }
  bool ImpliesAll(const std::vector<WaitEdge>& edges) const {
    return std::all_of(edges.begin(), edges.end(), [&](const WaitEdge& e) { return Implies(e); });
  }

 private:
  size_t Index(uint32_t op, uint32_t round) const { return size_t{round} * queues_.size() + op; }
  void Set(uint32_t from, uint32_t from_round, uint32_t to, uint32_t to_round) {
    before_[Index(from, from_round)][Index(to, to_round)] = true;
  }

  const FixedQueues& queues_;
  uint32_t rounds_;
  std::vector<std::vector<bool>> before_;
};

void ExpectReduced(const Problem& problem, uint32_t rounds) {
  const auto reduced = ReduceSyncs(problem.queues, problem.edges);
  ASSERT_TRUE(reduced);
  for (const WaitEdge& wait : *reduced) {
    EXPECT_NE(std::find(problem.edges.begin(), problem.edges.end(), wait), problem.edges.end());
  }
  EXPECT_TRUE(Unrolled(problem.queues, *reduced, rounds).ImpliesAll(problem.edges));
  for (size_t i = 0; i < reduced->size(); ++i) {
    std::vector<WaitEdge> fewer = *reduced;
    fewer.erase(fewer.begin() + static_cast<ptrdiff_t>(i));
    EXPECT_FALSE(Unrolled(problem.queues, fewer, rounds).Implies((*reduced)[i]));
  }
}

TEST(ReduceSyncs, LeavesWhatImpliesAllAndNothingMore) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    SCOPED_TRACE(seed);
    ExpectReduced(RandomProblem(seed, 0), 1);
  }
}

TEST(ReduceSyncs, LeavesWhatImpliesAllInEveryIteration) {
  for (uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    ExpectReduced(RandomProblem(seed, 1 + seed % 3), 7);
  }
}

TEST(ReduceSyncs, ARingOfSlotsNeedsOneWaitEachWay) {
  // Loads into a ring of two slots: compute i needs load i, load i needs compute i - 2.
  const FixedQueues queues({{0}, {1}}, 2);
  const std::vector<WaitEdge> edges = {{0, 1, 0}, {1, 0, 2}, {1, 0, 3}, {0, 1, 1}};
  EXPECT_EQ(*ReduceSyncs(queues, edges), (std::vector<WaitEdge>{{1, 0, 2}, {0, 1, 0}}));
}

TEST(ReduceSyncs, SaysWhenSomebodyWouldWaitForEver) {
  const FixedQueues queues({{0, 1}, {2, 3}}, 4);
  const std::vector<WaitEdge> crossed = {{1, 2}, {3, 0}};
  EXPECT_FALSE(ReduceSyncs(queues, crossed));
  EXPECT_FALSE(QueueClocks::Follow(queues, crossed));
  EXPECT_FALSE(ReduceSyncs(queues, std::vector<WaitEdge>{{1, 0}}));
  EXPECT_FALSE(ReduceSyncs(queues, std::vector<WaitEdge>{{1, 1}}));
  EXPECT_TRUE(ReduceSyncs(queues, std::vector<WaitEdge>{{1, 0, 1}, {1, 2}, {3, 0, 1}}));
}

TEST(ReduceSyncs, NothingNeedsNothing) {
  EXPECT_TRUE(ReduceSyncs(FixedQueues({}, 0), {})->empty());
  EXPECT_TRUE(ReduceSyncs(FixedQueues({{}, {0}}, 1), {})->empty());
}

TEST(MergeSyncs, StillImpliesAllInEveryIteration) {
  for (uint32_t seed = 0; seed < 600; ++seed) {
    SCOPED_TRACE(seed);
    const uint32_t most_distance = seed % 3;
    const Problem problem = RandomProblem(seed, most_distance);
    const size_t reduced = ReduceSyncs(problem.queues, problem.edges)->size();
    const auto merged = MergeSyncs(problem.queues, problem.edges,
                                   [](const WaitEdge&) { return std::optional<uint64_t>(0); });
    const Unrolled unrolled(problem.queues, *merged, most_distance > 0 ? 7 : 1);
    EXPECT_TRUE(unrolled.Acyclic());
    EXPECT_TRUE(unrolled.ImpliesAll(problem.edges));
    EXPECT_LE(merged->size(), reduced);
    const auto kept = MergeSyncs(problem.queues, problem.edges,
                                 [](const WaitEdge&) { return std::optional<uint64_t>(); });
    EXPECT_EQ(kept->size(), reduced);
  }
}

TEST(MergeSyncs, StaysWithinTheTime) {
  for (uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    const Problem problem = RandomProblem(seed, 0);
    std::vector<uint64_t> op_time(problem.queues.size());
    for (uint32_t op = 0; op < op_time.size(); ++op) op_time[op] = 1 + (seed + op * 7) % 5;
    const auto free = MergeSyncsWithin(problem.queues, problem.edges, op_time, 0);
    const auto curve = MergeSyncsWithin(problem.queues, problem.edges, op_time, UINT64_MAX);
    EXPECT_EQ(free->front().makespan, free->back().makespan);
    for (size_t i = 1; i < curve->size(); ++i) {
      EXPECT_LT((*curve)[i].waits.size(), (*curve)[i - 1].waits.size());
      EXPECT_GE((*curve)[i].makespan, (*curve)[i - 1].makespan);
      EXPECT_TRUE(Unrolled(problem.queues, (*curve)[i].waits, 1).ImpliesAll(problem.edges));
    }
  }
}

TEST(MergeSyncs, TradesWaitsForTime) {
  // Two results of place 0 that place 1 uses one after the other.
  const FixedQueues queues({{0, 1}, {2, 3}}, 4);
  const std::vector<WaitEdge> edges = {{0, 2}, {1, 3}};
  const std::vector<uint64_t> op_time = {5, 5, 5, 5};
  const auto curve = MergeSyncsWithin(queues, edges, op_time, 20);
  ASSERT_EQ(curve->size(), 2u);
  EXPECT_EQ(curve->front().makespan, 15u);
  EXPECT_EQ(curve->back().makespan, 20u);
  EXPECT_EQ(curve->back().waits, (std::vector<WaitEdge>{{1, 2}}));
  EXPECT_EQ(MergeSyncsWithin(queues, edges, op_time, 19)->size(), 1u);
  EXPECT_FALSE(MergeSyncsWithin(queues, std::vector<WaitEdge>{{1, 0}}, op_time, 20));
}

}  // namespace
}  // namespace tinyai
