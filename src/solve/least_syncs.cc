#include "solve/least_syncs.h"

#include <algorithm>

#include "solve/contract_syncs.h"
#include "solve/sync_cuts.h"
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

PlaceNumbers NumberPlaces(SyncNet net) {
  std::vector<uint32_t> number(net.places, UINT32_MAX);
  for (const uint32_t place : net.place) number[place] = 0;
  PlaceNumbers out{{}, std::move(net)};
  for (uint32_t place = 0; place < number.size(); ++place) {
    if (number[place] == UINT32_MAX) continue;
    number[place] = static_cast<uint32_t>(out.used.size());
    out.used.push_back(place);
  }
  out.net.places = static_cast<uint32_t>(out.used.size());
  for (uint32_t& place : out.net.place) place = number[place];
  return out;
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
    const SyncCuts cuts = BoundByCuts(net, OpLists::Predecessors(net), TopologicalOrder(net));
    out.least_fences = cuts.least_fences;
    out.least_syncs = cuts.least_syncs;
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

LeastSyncs FindLeastSyncs(SyncNet net, const SearchLimits& limits) {
  const uint32_t places = net.places;
  const PlaceNumbers numbers = NumberPlaces(std::move(net));
  LeastSyncs out =
      numbers.net.places <= 2 ? FromTwoPlaces(numbers.net) : FromSearch(numbers.net, limits);
  std::vector<std::vector<SyncCommand>> queues(places);
  for (size_t i = 0; i < numbers.used.size(); ++i) {
    queues[numbers.used[i]] = std::move(out.schedule.queues[i]);
  }
  out.schedule.queues = std::move(queues);
  return out;
}

}  // namespace tinyai
