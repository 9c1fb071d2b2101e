#include "solve/sync_two_places.h"

#include <algorithm>
#include <array>

namespace tinyai {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

// For each op the most crossings of a path that ends there and first crosses from place `first`.
class LongestPaths {
 public:
  LongestPaths(const SyncNet& net, const OpLists& predecessors, const std::vector<uint32_t>& order,
               uint32_t first)
      : crossings_(net.size()), before_(net.size(), kNone) {
    for (const uint32_t op : order) {
      for (const uint32_t p : predecessors.of(op)) Extend(net, p, op, first);
      // Of equals the first op, in whatever order they are gone through.
      const bool longer = end_ == kNone || crossings_[op] > crossings_[end_];
      if (longer || (crossings_[op] == crossings_[end_] && op < end_)) end_ = op;
    }
  }

  uint32_t most() const { return end_ == kNone ? 0 : crossings_[end_]; }
  std::vector<uint32_t> path() const {
    std::vector<uint32_t> out;
    for (uint32_t op = end_; op != kNone; op = before_[op]) out.push_back(op);
    std::reverse(out.begin(), out.end());
    return out;
  }

 private:
  void Extend(const SyncNet& net, uint32_t p, uint32_t op, uint32_t first) {
    uint32_t count = crossings_[p];
    if (net.place[p] != net.place[op] && (count > 0 || net.place[p] == first)) ++count;
    if (count <= crossings_[op]) return;
    crossings_[op] = count;
    before_[op] = p;
  }

  std::vector<uint32_t> crossings_, before_;
  uint32_t end_ = kNone;
};

// The next sync after `phase` that goes out from `sender`, if the odd ones go out from `first`.
uint32_t NextSync(uint32_t phase, uint32_t sender, uint32_t first) {
  const uint32_t parity = sender == first ? 1 : 0;
  return phase + 1 + ((phase + 1) % 2 != parity);
}

std::vector<uint32_t> FindPhases(const SyncNet& net, const OpLists& predecessors,
                                 const std::vector<uint32_t>& order, uint32_t first) {
  std::vector<uint32_t> phase(net.size());
  for (const uint32_t op : order) {
    for (const uint32_t p : predecessors.of(op)) {
      const bool same = net.place[p] == net.place[op];
      phase[op] = std::max(phase[op], same ? phase[p] : NextSync(phase[p], net.place[p], first));
    }
  }
  return phase;
}

uint32_t Most(const std::vector<uint32_t>& phase) {
  return phase.empty() ? 0 : *std::max_element(phase.begin(), phase.end());
}

// Sync number i is fence i - 1.
SyncSchedule ScheduleOf(const SyncNet& net, const std::vector<uint32_t>& order,
                        const std::vector<uint32_t>& phase, uint32_t first) {
  const uint32_t syncs = Most(phase);
  std::vector<std::vector<uint32_t>> ops_of_phase(syncs + 1);
  for (const uint32_t op : order) ops_of_phase[phase[op]].push_back(op);
  SyncSchedule out;
  out.queues.resize(net.places);
  for (uint32_t i = 0; i <= syncs; ++i) {
    if (i > 0) {
      const uint32_t sender = i % 2 == 1 ? first : 1 - first;
      out.queues[sender].push_back({SyncCommand::Kind::kFence, i - 1});
      out.queues[1 - sender].push_back({SyncCommand::Kind::kSync, i - 1});
    }
    for (const uint32_t op : ops_of_phase[i]) {
      out.queues[net.place[op]].push_back({SyncCommand::Kind::kRun, op});
    }
  }
  return out;
}

// The phases if odd ones are on place 1 - first, even ones on place `first`.
std::vector<uint32_t> EarliestPhases(const OpLists& predecessors,
                                     const std::vector<uint32_t>& order,
                                     const std::vector<uint8_t>& allowed, uint32_t first) {
  std::vector<uint32_t> phase(allowed.size());
  for (const uint32_t op : order) {
    for (const uint32_t p : predecessors.of(op)) phase[op] = std::max(phase[op], phase[p]);
    const uint32_t place = phase[op] % 2 == 0 ? first : 1 - first;
    if ((allowed[op] >> place & 1) == 0) ++phase[op];
  }
  return phase;
}

uint32_t FindRoot(std::vector<uint32_t>& parent, uint32_t op) {
  while (parent[op] != op) op = parent[op] = parent[parent[op]];
  return op;
}

// A place for each weakly connected component that has one in common; empty if some have none.
std::vector<uint32_t> PlaceComponents(const SyncNet& net, const std::vector<uint8_t>& allowed) {
  std::vector<uint32_t> parent(allowed.size());
  for (uint32_t op = 0; op < parent.size(); ++op) parent[op] = op;
  for (const SyncNet::Edge& edge : net.edges) {
    parent[FindRoot(parent, edge.from)] = FindRoot(parent, edge.to);
  }
  std::vector<uint8_t> common(allowed.size(), 3);
  for (uint32_t op = 0; op < parent.size(); ++op) common[FindRoot(parent, op)] &= allowed[op];
  std::vector<uint32_t> place(allowed.size());
  for (uint32_t op = 0; op < parent.size(); ++op) {
    const uint8_t both = common[FindRoot(parent, op)];
    if (both == 0) return {};
    place[op] = (both & 1) != 0 ? 0 : 1;
  }
  return place;
}

}  // namespace

TwoPlaceSyncs SolveTwoPlaces(const SyncNet& net) {
  const std::vector<uint32_t> order = TopologicalOrder(net);
  const OpLists predecessors = OpLists::Predecessors(net);
  const std::array<LongestPaths, 2> paths = {LongestPaths(net, predecessors, order, 0),
                                             LongestPaths(net, predecessors, order, 1)};
  // Starting with the direction of the longer path, or with either of two equal ones.
  const uint32_t first = paths[1].most() > paths[0].most() ? 1 : 0;
  const std::vector<uint32_t> phase = FindPhases(net, predecessors, order, first);
  TwoPlaceSyncs out;
  out.syncs = Most(phase);
  out.schedule = ScheduleOf(net, order, phase, first);
  if (out.syncs == 0) return out;
  out.witness.push_back(paths[first].path());
  if (paths[0].most() == paths[1].most()) out.witness.push_back(paths[1 - first].path());
  return out;
}

FreePlacement PlaceOnTwo(const SyncNet& net, const std::vector<uint8_t>& allowed) {
  FreePlacement out;
  out.place = PlaceComponents(net, allowed);
  if (out.place.size() == allowed.size()) return out;
  out.place.clear();
  const std::vector<uint32_t> order = TopologicalOrder(net);
  const OpLists predecessors = OpLists::Predecessors(net);
  const std::array<std::vector<uint32_t>, 2> phases = {
      EarliestPhases(predecessors, order, allowed, 0),
      EarliestPhases(predecessors, order, allowed, 1)};
  const uint32_t first = Most(phases[1]) < Most(phases[0]) ? 1 : 0;
  out.syncs = Most(phases[first]);
  for (const uint32_t phase : phases[first]) {
    out.place.push_back(phase % 2 == 0 ? first : 1 - first);
  }
  return out;
}

}  // namespace tinyai
