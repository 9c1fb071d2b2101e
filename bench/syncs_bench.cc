// Large nets: how fast syncs are found when the order of queues is given, and when it is free.

#include <random>

#include "benchmark/benchmark.h"
#include "solve/least_syncs.h"
#include "solve/reduce_syncs.h"

namespace tinyai {
namespace {

constexpr uint32_t kEdgesPerOp = 2;
constexpr uint32_t kReach = 1000;  // ops back, as in a net whose layers follow each other

SyncNet LargeNet(uint32_t ops, uint32_t places) {
  std::mt19937 random(1);
  SyncNet net;
  net.places = places;
  for (uint32_t op = 0; op < ops; ++op) {
    net.place.push_back(random() % places);
    for (uint32_t i = 0; i < kEdgesPerOp && op > 0; ++i) {
      net.edges.push_back({op - 1 - static_cast<uint32_t>(random() % std::min(op, kReach)), op});
    }
  }
  return net;
}

void SetRate(benchmark::State& state, const SyncNet& net, size_t syncs) {
  const auto crossing = std::count_if(net.edges.begin(), net.edges.end(),
                                      [&](const SyncNet::Edge& edge) { return net.Crosses(edge); });
  state.counters["ops/s"] = benchmark::Counter(static_cast<double>(net.size()),
                                               benchmark::Counter::kIsIterationInvariantRate);
  state.counters["syncs"] = static_cast<double>(syncs);
  state.counters["per_crossing"] =
      static_cast<double>(syncs) / static_cast<double>(std::max<int64_t>(crossing, 1));
}

// The figure: 10^6 ops on 4 queues in at most 0.5 s.
void BM_ReduceSyncs(benchmark::State& state) {
  const SyncNet net =
      LargeNet(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  std::vector<std::vector<uint32_t>> orders(net.places);
  for (uint32_t op = 0; op < net.size(); ++op) orders[net.place[op]].push_back(op);
  const FixedQueues queues(orders, net.size());
  std::vector<WaitEdge> edges;
  for (const SyncNet::Edge& edge : net.edges) edges.push_back({edge.from, edge.to});
  // A ring: what is made late in one iteration is overwritten early in the next.
  for (uint32_t op = 0; op < net.size() && state.range(2) > 0; op += 100) {
    edges.push_back({net.size() - 1 - op, op, 1});
  }
  size_t syncs = 0;
  for (auto _ : state) syncs = ReduceSyncs(queues, edges)->size();
  SetRate(state, net, syncs);
}
BENCHMARK(BM_ReduceSyncs)
    ->ArgNames({"ops", "places", "loop"})
    ->Args({1'000'000, 4, 0})
    ->Args({1'000'000, 4, 1})
    ->Args({10'000, 4, 0})
    ->Unit(benchmark::kMillisecond);

void BM_FindLeastSyncsFast(benchmark::State& state) {
  const SyncNet net =
      LargeNet(static_cast<uint32_t>(state.range(0)), static_cast<uint32_t>(state.range(1)));
  SearchLimits limits;
  limits.effort = Effort::kFast;
  size_t syncs = 0;
  for (auto _ : state) syncs = FindLeastSyncs(net, limits).syncs;
  SetRate(state, net, syncs);
}
BENCHMARK(BM_FindLeastSyncsFast)
    ->ArgNames({"ops", "places"})
    ->Args({1'000'000, 2})
    ->Args({100'000, 4})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tinyai

BENCHMARK_MAIN();
