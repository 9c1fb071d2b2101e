#include "solve/least_syncs.h"

#include <algorithm>

#include "solve/contract_syncs.h"
#include "solve/sync_search.h"
#include "solve/sync_two_places.h"
#include "solve/sync_word.h"

namespace tinyai {
namespace {

// Nets above this are not contracted: that takes quadratic memory.
constexpr uint32_t kMostOpsContracted = 1024;
// Each of the two searches takes about a second: bounds of a state take time in proportion to
// places and nodes.
constexpr uint64_t kNormalBounds = 100'000'000;
// Ops and edges gone through while a heuristic word is improved.
constexpr uint64_t kNormalWork = 20'000'000;

struct PlaceNumbers {
  std::vector<uint32_t> used;  // the places that have ops
  SyncNet net;                 // with these, numbered from 0
};

PlaceNumbers NumberPlaces(const SyncNet& net) {
  PlaceNumbers out{{}, net};
  std::vector<uint32_t> number(net.places, UINT32_MAX);
  for (const uint32_t place : net.place) number[place] = 0;
  for (uint32_t place = 0; place < net.places; ++place) {
    if (number[place] == UINT32_MAX) continue;
    number[place] = static_cast<uint32_t>(out.used.size());
    out.used.push_back(place);
  }
  out.net.places = static_cast<uint32_t>(out.used.size());
  for (uint32_t& place : out.net.place) place = number[place];
  return out;
}

// By theorem 1 for each place against all others, since a sync has two ends; with more than
// `kMostPlacesSplit` places, just that each place that waits needs a sync.
uint32_t BoundOfPlaces(const SyncNet& net, const OpLists& predecessors,
                       const std::vector<uint32_t>& order) {
  constexpr uint32_t kMostPlacesSplit = 16;  // each costs a sweep
  if (net.places > kMostPlacesSplit) {
    std::vector<bool> waits(net.places);
    for (const SyncNet::Edge& edge : net.edges) {
      if (net.Crosses(edge)) waits[net.place[edge.to]] = true;
    }
    return static_cast<uint32_t>(std::count(waits.begin(), waits.end(), true));
  }
  uint32_t sum = 0, most = 0;
  SyncNet two = net;
  two.places = 2;
  for (uint32_t place = 0; place < net.places; ++place) {
    for (uint32_t op = 0; op < net.size(); ++op) two.place[op] = net.place[op] == place ? 0 : 1;
    const uint32_t syncs = CountTwoPlaceSyncs(two, predecessors, order);
    sum += syncs;
    most = std::max(most, syncs);
  }
  return std::max(most, (sum + 1) / 2);
}

// The most crossings on a path: each needs a sync and a fence of its own, one after the other.
uint32_t MostCrossings(const SyncNet& net, const OpLists& predecessors,
                       const std::vector<uint32_t>& order) {
  std::vector<uint32_t> crossings(net.size());
  uint32_t most = 0;
  for (const uint32_t op : order) {
    for (const uint32_t p : predecessors.of(op)) {
      crossings[op] = std::max(crossings[op], crossings[p] + net.Crosses({p, op}));
    }
    most = std::max(most, crossings[op]);
  }
  return most;
}

LeastSyncs FromTwoPlaces(const SyncNet& net) {
  TwoPlaceSyncs two = SolveTwoPlaces(net);
  return {std::move(two.schedule), two.syncs, two.syncs, two.syncs, two.syncs,
          std::move(two.witness)};
}

LeastSyncs FromSearch(const SyncNet& net, const SearchLimits& limits) {
  WordRunner runner(net);
  SyncSearchResult found;
  found.word = runner.Greedy();
  const uint64_t size =
      net.size() + net.edges.size() + uint64_t{net.places} * (found.word.size() + 1);
  const bool fast = limits.effort == Effort::kFast || limits.expired();
  const uint64_t runs = fast ? 0 : kNormalWork / size;
  found.word = Shorten(runner, std::move(found.word), runs);
  found.word = ReuseFences(runner, std::move(found.word), runs);
  if (!fast && net.size() <= kMostOpsContracted) {
    const ContractedNet contracted = Contract(net);
    const uint64_t normal = kNormalBounds / (uint64_t{net.places} * contracted.size() + 1);
    const uint64_t looks = limits.effort == Effort::kExact ? UINT64_MAX : normal;
    if (CanSearchSyncs(contracted)) found = SearchSyncs(contracted, found.word, looks, limits);
  }
  LeastSyncs out;
  out.least_syncs = found.least_syncs;
  out.least_fences = found.least_fences;
  if (out.least_syncs == 0) {
    const OpLists predecessors = OpLists::Predecessors(net);
    const std::vector<uint32_t> order = TopologicalOrder(net);
    out.least_fences = MostCrossings(net, predecessors, order);
    out.least_syncs = std::max(BoundOfPlaces(net, predecessors, order), out.least_fences);
  }
  // One fence is waited for by at most all other places.
  const auto syncs = static_cast<uint32_t>(found.word.size());
  out.least_fences = std::max(out.least_fences, (syncs + net.places - 2) / (net.places - 1));
  out.schedule = *runner.Schedule(ReuseFences(runner, std::move(found.word), runs));
  out.syncs = out.schedule.syncs();
  out.fences = out.schedule.fences();
  return out;
}

}  // namespace

LeastSyncs FindLeastSyncs(const SyncNet& net, const SearchLimits& limits) {
  const PlaceNumbers numbers = NumberPlaces(net);
  LeastSyncs out =
      numbers.net.places <= 2 ? FromTwoPlaces(numbers.net) : FromSearch(numbers.net, limits);
  std::vector<std::vector<SyncCommand>> queues(net.places);
  for (size_t i = 0; i < numbers.used.size(); ++i) {
    queues[numbers.used[i]] = std::move(out.schedule.queues[i]);
  }
  out.schedule.queues = std::move(queues);
  return out;
}

}  // namespace tinyai
