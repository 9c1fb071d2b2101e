#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "solve/sync_net.h"

namespace tinyai {

// Syncs in an order in which they happen; between them every place runs what it can. That is all
// there is to choose: running an op earlier, or recording a fence later, never makes anything
// worse.
struct SyncMove {
  uint32_t from = 0, to = 0;  // places
  bool reuse = false;         // of the latest fence of `from`; otherwise a new one is recorded now
  bool operator==(const SyncMove&) const = default;
};
using SyncWord = std::vector<SyncMove>;

// Runs words on one net, again and again. O(ops + edges + moves places) each.
class WordRunner {
 public:
  explicit WordRunner(const SyncNet& net);  // `net` outlives this

  // Nothing if some op never becomes ready, or a first fence is reused.
  std::optional<SyncSchedule> Schedule(const SyncWord& word);
  bool Completes(const SyncWord& word);

  // A word found move by move, each time where most can run next; always completes.
  SyncWord Greedy();

 private:
  struct Place {
    std::vector<uint32_t> done;   // ops in the order they ran
    std::vector<uint32_t> knows;  // how many ops of each place
    std::vector<uint32_t> fence;  // what the latest fence knew; empty: there is none
    std::vector<uint32_t> ready;  // ops, in a heap by their place in a topological order
  };
  // What ops of one place that ran have to tell another place, in order.
  struct Waiting {
    struct Edge {
      uint32_t done;  // that so many ops of the first place are complete
      uint32_t next;  // the op that needs it
    };
    std::vector<Edge> edges;
    size_t told = 0;

    size_t left() const { return edges.size() - told; }
  };
  // How many ops of its two places had run before a move.
  struct Mark {
    uint32_t from = 0, to = 0;
  };

  void Begin();
  bool Run(const SyncWord& word);
  bool Move(const SyncMove& move);
  void RunReady(uint32_t place);
  void Learn(uint32_t place, const std::vector<uint32_t>& knows);
  Waiting& WaitingOf(uint32_t from, uint32_t to) {
    return waiting_[size_t{from} * net_.places + to];
  }

  const SyncNet& net_;
  OpLists successors_;
  std::vector<uint32_t> rank_, missing_at_first_;
  std::vector<uint32_t> missing_;
  std::vector<Place> places_;
  std::vector<Waiting> waiting_;  // by pair of places
  std::vector<Mark> marks_;       // by move
  SyncWord ran_;                  // what Schedule need not run again, if all of it was run
  uint32_t left_ = 0;
};

// Takes moves out, and lets later ones reuse a fence, as long as the rest still completes: what is
// left cannot be shortened by a single move. Ends early when `runs` words have been run.
SyncWord Shorten(WordRunner& runner, SyncWord word, uint64_t runs);
SyncWord ReuseFences(WordRunner& runner, SyncWord word, uint64_t runs);

}  // namespace tinyai
