#include "solve/sync_search.h"

#include <algorithm>
#include <utility>

#include "solve/sync_bounds.h"

namespace tinyai {
namespace {

constexpr uint32_t kNone = UINT32_MAX;
constexpr uint32_t kMostNodes = 256;
constexpr uint32_t kMostPlaces = 12;  // cuts double with each
// How often the clock is asked, in states.
constexpr uint64_t kClockEvery = 1024;
// About two gigabytes.
constexpr uint32_t kMostStates = 16'000'000;
constexpr size_t kBeamWidth = 100;
// Most nets are done by then, without a beam to begin with.
constexpr uint64_t kEasyLooks = 10'000;

// States of the same number of sets, each stored once, with how they were reached.
template <int kWords>
class StateTable {
 public:
  using Set = NodeSet<kWords>;
  struct Label {
    uint32_t parent = kNone;
    SyncMove move;
    uint32_t syncs = 0, fences = 0;
  };

  explicit StateTable(size_t width) : width_(width), slots_(1024, kNone) {}

  uint32_t size() const { return static_cast<uint32_t>(labels_.size()); }
  std::span<const Set> sets(uint32_t state) const {
    return std::span(sets_).subspan(state * width_, width_);
  }
  const Label& label(uint32_t state) const { return labels_[state]; }

  // Nothing if the same sets are there with no more syncs and fences.
  std::optional<uint32_t> Add(std::span<const Set> sets, const Label& label) {
    if (labels_.size() * 2 >= slots_.size()) Grow();
    size_t slot = Hash(sets) & (slots_.size() - 1);
    for (; slots_[slot] != kNone; slot = (slot + 1) & (slots_.size() - 1)) {
      const Label& other = labels_[slots_[slot]];
      if (other.syncs > label.syncs || other.fences > label.fences) continue;
      const std::span<const Set> known = this->sets(slots_[slot]);
      if (std::equal(sets.begin(), sets.end(), known.begin())) return std::nullopt;
    }
    slots_[slot] = size();
    labels_.push_back(label);
    sets_.insert(sets_.end(), sets.begin(), sets.end());
    return slots_[slot];
  }

  SyncWord WordTo(uint32_t state) const {
    SyncWord word;
    for (; labels_[state].parent != kNone; state = labels_[state].parent) {
      word.push_back(labels_[state].move);
    }
    std::reverse(word.begin(), word.end());
    return word;
  }

 private:
  static size_t Hash(std::span<const Set> sets) {
    uint64_t hash = 0;
    for (const Set& set : sets) {
      for (const uint64_t word : set.words) {
        hash = (hash ^ word) * 0x9E3779B97F4A7C15;
        hash ^= hash >> 29;
      }
    }
    return hash;
  }

  void Grow() {
    slots_.assign(slots_.size() * 2, kNone);
    for (uint32_t state = 0; state < size(); ++state) {
      size_t slot = Hash(sets(state)) & (slots_.size() - 1);
      while (slots_[slot] != kNone) slot = (slot + 1) & (slots_.size() - 1);
      slots_[slot] = state;
    }
  }

  size_t width_;
  std::vector<Set> sets_;
  std::vector<Label> labels_;
  std::vector<uint32_t> slots_;
};

// States to look at, least cost first, then those closest to the end, then the latest.
class Agenda {
 public:
  void Push(uint32_t cost, uint32_t rest, uint32_t state) {
    if (cost >= buckets_.size()) buckets_.resize(cost + 1);
    std::vector<std::vector<uint32_t>>& bucket = buckets_[cost];
    if (rest >= bucket.size()) bucket.resize(rest + 1);
    bucket[rest].push_back(state);
    first_ = std::min(first_, cost);
  }
  // kNone if there is none.
  uint32_t Pop() {
    for (; first_ < buckets_.size(); ++first_) {
      for (std::vector<uint32_t>& stack : buckets_[first_]) {
        if (stack.empty()) continue;
        const uint32_t state = stack.back();
        stack.pop_back();
        return state;
      }
    }
    return kNone;
  }
  uint32_t cost() const { return first_; }  // of the last popped

 private:
  std::vector<std::vector<std::vector<uint32_t>>> buckets_;
  uint32_t first_ = 0;
};

template <int kWords>
class Search {
 public:
  using Set = NodeSet<kWords>;
  using Table = StateTable<kWords>;

  Search(const ContractedNet& net, uint64_t most_looks, const SearchLimits& limits)
      : space_(net), bounds_(space_), most_looks_(most_looks), limits_(limits) {
    for (uint32_t place = 0; place < space_.places(); ++place) {
      root_.push_back(space_.Close(place, {}));
    }
  }

  SyncSearchResult Run(const SyncWord& word) {
    SyncSearchResult result{word, 0, 0};
    result.least_syncs = FewestSyncs(result.word, std::min(most_looks_, kEasyLooks));
    if (result.least_syncs < result.word.size()) {
      Beam(result.word);
      result.least_syncs = FewestSyncs(result.word, most_looks_);
    }
    result.least_fences = result.word.empty() ? 0 : bounds_.Fences(root_, 0);
    if (result.least_syncs == result.word.size()) {
      const ContractedFences fences = FewestFences(result.word);
      result.least_fences = fences.least;
      if (fences.found) result.word = fences.word;
    }
    return result;
  }

 private:
  struct ContractedFences {
    uint32_t least = 0;
    bool found = false;
    SyncWord word = {};
  };

  // `looks`: states that bounds were found for.
  bool Over(const Table& table, uint64_t most_looks) {
    const uint64_t clock = looks_ / kClockEvery;
    const bool ask = clock != std::exchange(last_clock_, clock);
    return looks_ >= most_looks || table.size() >= kMostStates || (ask && limits_.expired());
  }
  uint32_t SyncsLeft(std::span<const Set> known) {
    ++looks_;
    return bounds_.Syncs(known);
  }

  // Replaces `word` by a shorter one if it finds one, following only the most promising states.
  void Beam(SyncWord& word) {
    struct Candidate {
      uint32_t rest, left, state;
      auto operator<=>(const Candidate&) const = default;
    };
    Table table(space_.places());
    std::vector<Candidate> level = {{SyncsLeft(root_), 0, *table.Add(root_, {})}};
    for (uint32_t syncs = 0; !level.empty() && !limits_.expired(); ++syncs) {
      std::vector<Candidate> next;
      for (const Candidate& candidate : level) {
        if (candidate.rest == 0) {
          if (syncs < word.size()) word = table.WordTo(candidate.state);
          return;
        }
        ForEachSync(table, candidate.state, [&](const SyncMove& move, std::span<const Set> known) {
          const uint32_t rest = SyncsLeft(known);
          if (syncs + 1 + rest >= word.size()) return;
          const auto added = table.Add(known, {candidate.state, move, syncs + 1, 0});
          if (added) next.push_back({rest, space_.Left(known).Count(), *added});
        });
      }
      std::sort(next.begin(), next.end());
      next.resize(std::min(next.size(), kBeamWidth));
      level = std::move(next);
    }
  }

  // Calls with each sync from a state that is worth trying, and what is known after it.
  template <typename F>
  void ForEachSync(const Table& table, uint32_t state, F&& f) {
    for (uint32_t to = 0; to < space_.places(); ++to) {
      for (uint32_t from = 0; from < space_.places(); ++from) {
        const std::span<const Set> known = table.sets(state);
        if (!IsBestSender(known, from, to)) continue;
        next_.assign(known.begin(), known.end());
        next_[to] = space_.Close(to, known[to].Or(known[from]));
        f(SyncMove{from, to, false}, std::span<const Set>(next_));
      }
    }
  }

  // Replaces `word` by a shorter one if there is one. What is proved is returned.
  uint32_t FewestSyncs(SyncWord& word, uint64_t most_looks) {
    most_looks = looks_ + std::min(most_looks, UINT64_MAX - looks_);
    const uint32_t most = static_cast<uint32_t>(word.size());
    Table table(space_.places());
    Agenda agenda;
    const uint32_t least = SyncsLeft(root_);
    if (least >= most) return most;
    agenda.Push(least, least, *table.Add(root_, {}));
    for (uint32_t state = agenda.Pop(); state != kNone; state = agenda.Pop()) {
      if (Over(table, most_looks)) return agenda.cost();
      const uint32_t syncs = table.label(state).syncs;
      if (space_.Left(table.sets(state)).Empty()) {
        word = table.WordTo(state);
        return syncs;
      }
      ForEachSync(table, state, [&](const SyncMove& move, std::span<const Set> known) {
        const uint32_t rest = SyncsLeft(known);
        if (syncs + 1 + rest >= most) return;
        const auto added = table.Add(known, {state, move, syncs + 1, 0});
        if (added) agenda.Push(syncs + 1 + rest, rest, *added);
      });
    }
    return most;
  }

  // Whether `to` learns something from `from`, and nobody could tell it more.
  bool IsBestSender(std::span<const Set> known, uint32_t from, uint32_t to) const {
    if (from == to || known[from].Within(known[to])) return false;
    for (uint32_t other = 0; other < space_.places(); ++other) {
      if (other == from || other == to) continue;
      const Set more = known[other].Or(known[to]);
      if (!known[from].Within(more)) continue;
      if (other < from || !more.Within(known[from].Or(known[to]))) return false;
    }
    return true;
  }

  // A state is what each place knows, then what the latest fence of each knew.
  ContractedFences FewestFences(const SyncWord& word) {
    const uint64_t most_looks = looks_ + std::min(most_looks_, UINT64_MAX - looks_);
    const uint32_t most_syncs = static_cast<uint32_t>(word.size());
    const uint32_t most = static_cast<uint32_t>(
        std::count_if(word.begin(), word.end(), [](const SyncMove& m) { return !m.reuse; }));
    const uint32_t places = space_.places();
    std::vector<Set> next = root_;
    next.resize(size_t{2} * places);
    const uint32_t least = word.empty() ? 0 : bounds_.Fences(root_, 0);
    if (least >= most) return {most};
    Table table(next.size());
    Agenda agenda;
    agenda.Push(least, SyncsLeft(root_), *table.Add(next, {}));
    for (uint32_t state = agenda.Pop(); state != kNone; state = agenda.Pop()) {
      if (Over(table, most_looks)) return {agenda.cost()};
      const typename Table::Label label = table.label(state);
      if (space_.Left(table.sets(state).first(places)).Empty()) {
        return {label.fences, true, table.WordTo(state)};
      }
      for (uint32_t move = 0; move < places * places * 2; ++move) {
        const SyncMove sync{move / 2 / places, move / 2 % places, move % 2 == 0};
        next.assign(table.sets(state).begin(), table.sets(state).end());
        if (!Apply(sync, next)) continue;
        const std::span<const Set> known = std::span(next).first(places);
        const uint32_t rest = SyncsLeft(known);
        if (label.syncs + 1 + rest > most_syncs) continue;
        const uint32_t fences = label.fences + (sync.reuse ? 0 : 1);
        const uint32_t least_left = std::max(agenda.cost(), fences) - fences;
        const uint32_t cost = fences + FencesLeft(next, least_left);
        if (cost >= most) continue;
        const auto added = table.Add(next, {state, sync, label.syncs + 1, fences});
        if (added) agenda.Push(cost, rest, *added);
      }
    }
    return {most};
  }

  // False if the sync would tell nothing, or a reused fence no less than a new one would.
  bool Apply(const SyncMove& move, std::vector<Set>& sets) const {
    if (move.from == move.to) return false;
    Set& fence = sets[space_.places() + move.from];
    const Set& now = sets[move.from];
    if (move.reuse ? fence.Empty() : fence == now) return false;
    if (!move.reuse) fence = now;
    Set& to = sets[move.to];
    if (fence.Within(to)) return false;
    to = space_.Close(move.to, to.Or(fence));
    return true;
  }

  // With everything that fences have told, told to all for nothing.
  uint32_t FencesLeft(const std::vector<Set>& sets, uint32_t least) {
    const uint32_t places = space_.places();
    Set told;
    for (uint32_t place = 0; place < places; ++place) told = told.Or(sets[places + place]);
    std::vector<Set>& known = scratch_;
    known.assign(sets.begin(), sets.begin() + places);
    for (uint32_t place = 0; place < places; ++place) {
      known[place] = space_.Close(place, known[place].Or(told));
    }
    return bounds_.Fences(known, least);
  }

  SyncSpace<kWords> space_;
  SyncBounds<kWords> bounds_;
  std::vector<Set> root_, next_, scratch_;
  uint64_t most_looks_, looks_ = 0, last_clock_ = 0;
  const SearchLimits& limits_;
};

}  // namespace

bool CanSearchSyncs(const ContractedNet& net) {
  return net.size() <= kMostNodes && net.places >= 1 && net.places <= kMostPlaces;
}

SyncSearchResult SearchSyncs(const ContractedNet& net, const SyncWord& word, uint64_t most_looks,
                             const SearchLimits& limits) {
  if (net.size() <= 64) return Search<1>(net, most_looks, limits).Run(word);
  if (net.size() <= 128) return Search<2>(net, most_looks, limits).Run(word);
  return Search<kMostNodes / 64>(net, most_looks, limits).Run(word);
}

}  // namespace tinyai
