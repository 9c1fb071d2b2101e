#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "solve/sync_net.h"

namespace tinyai {

// Each pair of ops has an edge with this probability.
inline SyncNet RandomNet(uint32_t ops, uint32_t places, double edge, uint32_t seed) {
  std::mt19937 random(seed);
  SyncNet net;
  net.places = places;
  for (uint32_t op = 0; op < ops; ++op) net.place.push_back(random() % places);
  for (uint32_t to = 0; to < ops; ++to) {
    for (uint32_t from = 0; from < to; ++from) {
      if (static_cast<double>(random() % 1'000'000) < edge * 1e6) net.edges.push_back({from, to});
    }
  }
  return net;
}

// Every order of runs, fences and syncs, one command after the other, with up to so many syncs and
// fences: slow and obvious. Fences of any age can be waited for.
class EverySchedule {
 public:
  explicit EverySchedule(const SyncNet& net) : net_(net), needs_(net.size()) {
    for (const SyncNet::Edge& edge : net.edges) needs_[edge.to] |= 1u << edge.from;
  }

  // The fewest syncs, and the fewest fences with these.
  std::pair<uint32_t, uint32_t> Fewest() {
    for (uint32_t syncs = 0;; ++syncs) {
      for (uint32_t fences = 0; fences <= syncs; ++fences) {
        seen_.clear();
        if (Ends({std::vector<uint32_t>(net_.places), {}, syncs, fences})) return {syncs, fences};
      }
    }
  }

 private:
  struct State {
    std::vector<uint32_t> known;                     // by place: bits of ops
    std::set<std::pair<uint32_t, uint32_t>> fences;  // place, what it knew
    uint32_t syncs_left = 0, fences_left = 0;
    auto operator<=>(const State&) const = default;
  };

  uint32_t Done(const State& state) const {
    uint32_t done = 0;
    for (uint32_t op = 0; op < net_.size(); ++op) {
      done |= state.known[net_.place[op]] & 1u << op;
    }
    return done;
  }

  bool Ends(const State& state) {
    const uint32_t done = Done(state);
    if (done + 1 == 1u << net_.size()) return true;
    if (!seen_.insert(state).second) return false;
    for (uint32_t op = 0; op < net_.size(); ++op) {
      const uint32_t known = state.known[net_.place[op]];
      if ((done >> op & 1) != 0 || (needs_[op] & ~known) != 0) continue;
      State next = state;
      next.known[net_.place[op]] |= 1u << op;
      if (Ends(next)) return true;
    }
    for (uint32_t place = 0; place < net_.places && state.fences_left > 0; ++place) {
      State next = state;
      --next.fences_left;
      if (next.fences.emplace(place, state.known[place]).second && Ends(next)) return true;
    }
    for (const auto& [place, knew] : state.fences) {
      for (uint32_t to = 0; to < net_.places && state.syncs_left > 0; ++to) {
        if (to == place || (knew & ~state.known[to]) == 0) continue;
        State next = state;
        --next.syncs_left;
        next.known[to] |= knew;
        if (Ends(next)) return true;
      }
    }
    return false;
  }

  const SyncNet& net_;
  std::vector<uint32_t> needs_;
  std::set<State> seen_;
};

// Every word of syncs, where each place runs what it can between them: for nets that are too large
// for EverySchedule. No bounds, no contraction.
class EveryWord {
 public:
  explicit EveryWord(const SyncNet& net) : net_(net), needs_(net.size()) {
    for (const SyncNet::Edge& edge : net.edges) needs_[edge.to] |= 1u << edge.from;
  }

  std::pair<uint32_t, uint32_t> Fewest() const {
    State root(size_t{2} * net_.places);  // what each place knows, what its latest fence knew
    for (uint32_t place = 0; place < net_.places; ++place) Run(place, root);
    std::map<State, uint32_t> level{{root, 0}};  // with so many fences
    for (uint32_t syncs = 0;; ++syncs) {
      std::map<State, uint32_t> next;
      uint32_t fewest = UINT32_MAX;
      for (const auto& [state, fences] : level) {
        if (AllDone(state)) fewest = std::min(fewest, fences);
        for (uint32_t from = 0; from < net_.places; ++from) {
          for (uint32_t to = 0; to < net_.places; ++to) {
            if (from == to) continue;
            Sync(state, fences, from, to, next);
            State renewed = state;
            renewed[net_.places + from] = state[from];
            Sync(renewed, fences + 1, from, to, next);
          }
        }
      }
      if (fewest != UINT32_MAX) return {syncs, fewest};
      level = std::move(next);
    }
  }

 private:
  using State = std::vector<uint32_t>;

  void Run(uint32_t place, State& state) const {
    for (uint32_t op = 0; op < net_.size(); ++op) {  // in topological order
      if (net_.place[op] == place && (needs_[op] & ~state[place]) == 0) state[place] |= 1u << op;
    }
  }
  bool AllDone(const State& state) const {
    for (uint32_t op = 0; op < net_.size(); ++op) {
      if ((state[net_.place[op]] >> op & 1) == 0) return false;
    }
    return true;
  }
  void Sync(State state, uint32_t fences, uint32_t from, uint32_t to,
            std::map<State, uint32_t>& next) const {
    const uint32_t told = state[net_.places + from];
    if ((told & ~state[to]) == 0) return;
    state[to] |= told;
    Run(to, state);
    const auto [at, added] = next.try_emplace(std::move(state), fences);
    if (!added) at->second = std::min(at->second, fences);
  }

  const SyncNet& net_;
  std::vector<uint32_t> needs_;
};

}  // namespace tinyai
