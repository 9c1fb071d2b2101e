#pragma once

#include <bit>
#include <vector>

#include "solve/sync_space.h"

// How many syncs and fences a state of SyncSpace still needs, at least.
//
// Cuts: let the places of a group know all that any of them knows. Then two places are left, and
// the crossings of a path bound the syncs across the cut (theorem 1). A sync crosses several cuts;
// a set of cuts of which it crosses at most d bounds the syncs by a d-th of the sum of their
// bounds.
//
// Words: let each sync go to all places at once. Then only the sequence of senders matters, and it
// must contain the senders of every path: a shortest common supersequence, which also bounds the
// fences. With everything known to a place that waits, the same holds for the sequence of
// receivers.
namespace tinyai {

// For words of senders, built from their ends: the sets of nodes that may still be complete but
// unknown to others, so that a word of this length can do the rest. Only the largest sets.
template <int kWords>
class WordLevels {
 public:
  using Set = NodeSet<kWords>;
  WordLevels() = default;

  // Letters are groups of nodes. `start`: what the empty word leaves. Of more than `most_width`
  // sets in a level pairs are joined, which only lowers the bound.
  WordLevels(const SyncSpace<kWords>& space, const std::vector<Set>& groups, const Set& start,
             size_t most_width) {
    levels_.push_back({start});
    while (!(levels_.back().size() == 1 && levels_.back()[0] == space.all())) {
      std::vector<Set> next;
      for (const Set& set : levels_.back()) {
        for (const Set& group : groups) AddLargest(Extend(space, set, group), next);
      }
      while (next.size() > most_width) next = Paired(std::move(next));
      levels_.push_back(std::move(next));
    }
  }

  // The least word that does with `needed`, known to be at least `least`.
  uint32_t Length(const Set& needed, uint32_t least) const {
    uint32_t length = least;
    while (length < levels_.size() && !Fits(needed, levels_[length])) ++length;
    return length;
  }

  // What follows on places of one group costs nothing.
  static Set Extend(const SyncSpace<kWords>& space, const Set& set, const Set& group) {
    Set out = set;
    for (uint32_t node = space.size(); node-- > 0;) {
      if (!group.Has(node) || out.Has(node)) continue;
      const Set& followers = space.followers(node);
      if (followers.Without(group).Within(set) && followers.And(group).Within(out)) out.Add(node);
    }
    return out;
  }
  // The nodes below which nothing crosses between groups.
  static Set Bottom(const SyncSpace<kWords>& space, const std::vector<Set>& groups) {
    Set out;
    for (const Set& group : groups) out = out.Or(Extend(space, {}, group));
    return out;
  }

 private:
  static bool Fits(const Set& needed, const std::vector<Set>& sets) {
    return std::any_of(sets.begin(), sets.end(),
                       [&](const Set& set) { return needed.Within(set); });
  }
  static void AddLargest(const Set& set, std::vector<Set>& sets) {
    if (Fits(set, sets)) return;
    std::erase_if(sets, [&](const Set& other) { return other.Within(set); });
    sets.push_back(set);
  }

  static std::vector<Set> Paired(std::vector<Set> sets) {
    std::sort(sets.begin(), sets.end(),
              [](const Set& a, const Set& b) { return a.words < b.words; });
    std::vector<Set> out;
    for (size_t i = 0; i < sets.size(); i += 2) {
      AddLargest(sets[i].Or(sets[std::min(i + 1, sets.size() - 1)]), out);
    }
    return out;
  }

  std::vector<std::vector<Set>> levels_;  // by the length of the word
};

template <int kWords>
class SyncBounds {
 public:
  using Set = NodeSet<kWords>;

  explicit SyncBounds(const SyncSpace<kWords>& space) : space_(space) {
    std::vector<Set> groups;
    for (uint32_t place = 0; place < space.places(); ++place) groups.push_back(space.on(place));
    senders_ =
        WordLevels<kWords>(space, groups, WordLevels<kWords>::Bottom(space, groups), kMostWidth);
    receivers_ = WordLevels<kWords>(space, groups, {}, kMostWidth);
    MakeCuts();
    MakePackings();
  }

  uint32_t Syncs(std::span<const Set> known) {
    const Set left = space_.Left(known);
    if (left.Empty()) return 0;
    FindEdges(known, left);
    uint32_t least = 1;
    for (Cut& cut : cuts_) cut.bound = CutBound(cut, known, left);
    for (const Packing& packing : packings_) {
      uint32_t sum = 0;
      for (const uint32_t cut : packing.cuts) sum += cuts_[cut].bound;
      least = std::max(least, (sum + packing.most - 1) / packing.most);
    }
    least = receivers_.Length(left, least);
    return senders_.Length(Unknown(known, left), least);
  }

  // Known to be at least `least`.
  uint32_t Fences(std::span<const Set> known, uint32_t least) {
    const Set left = space_.Left(known);
    if (left.Empty()) return least;
    FindEdges(known, left);
    return senders_.Length(Unknown(known, left), least);
  }

 private:
  static constexpr size_t kMostWidth = 256;
  // From here on there are too many cuts: only those of one and of two places.
  static constexpr uint32_t kManyPlaces = 6;

  struct Cut {
    uint32_t mask = 0;  // the places on one side
    Set side, other;
    WordLevels<kWords> levels;
    uint32_t bound = 0;
  };
  struct Packing {
    std::vector<uint32_t> cuts;
    uint32_t most = 1;  // of these cuts are crossed by one sync
  };
  struct Edges {
    uint32_t node = 0;
    Set followers;  // those left
  };

  void MakeCuts() {
    const uint32_t places = space_.places();
    // Cuts come in pairs of opposite masks: the last place is always on the other side.
    for (uint32_t mask = 1; mask < uint32_t{1} << (places - 1); ++mask) {
      const int bits = std::popcount(mask);
      if (places >= kManyPlaces && bits > 2 && bits < static_cast<int>(places) - 2) continue;
      Cut cut;
      cut.mask = mask;
      for (uint32_t place = 0; place < places; ++place) {
        Set& side = (mask >> place & 1) != 0 ? cut.side : cut.other;
        side = side.Or(space_.on(place));
      }
      const std::vector<Set> groups = {cut.side, cut.other};
      cut.levels = WordLevels<kWords>(space_, groups, WordLevels<kWords>::Bottom(space_, groups),
                                      kMostWidth);
      cuts_.push_back(std::move(cut));
    }
  }

  uint32_t MostCrossed(const std::vector<uint32_t>& cuts) const {
    uint32_t most = 0;
    for (uint32_t a = 0; a < space_.places(); ++a) {
      for (uint32_t b = 0; b < a; ++b) {
        most = std::max(
            most, static_cast<uint32_t>(std::count_if(cuts.begin(), cuts.end(), [&](uint32_t cut) {
              const uint32_t mask = cuts_[cut].mask;
              return (mask >> a & 1) != (mask >> b & 1);
            })));
      }
    }
    return most;
  }

  // Every set of cuts to which none can be added at the same price; for many places those of the
  // single places and those of all cuts of one size.
  void MakePackings() {
    const uint32_t count = static_cast<uint32_t>(cuts_.size());
    for (uint32_t cut = 0; cut < count; ++cut) packings_.push_back({{cut}, 1});
    const auto add_all = [&](auto&& chosen) {
      std::vector<uint32_t> cuts;
      for (uint32_t cut = 0; cut < count; ++cut) {
        if (chosen(std::popcount(cuts_[cut].mask))) cuts.push_back(cut);
      }
      if (cuts.size() > 1) packings_.push_back({cuts, MostCrossed(cuts)});
    };
    const int places = static_cast<int>(space_.places());
    if (places > 4) {
      add_all([&](int bits) { return bits == 1 || bits == places - 1; });
      add_all([&](int bits) { return bits == 2 || bits == places - 2; });
      return;
    }
    for (uint32_t set = 1; set < uint32_t{1} << count; ++set) {
      std::vector<uint32_t> cuts;
      for (uint32_t cut = 0; cut < count; ++cut) {
        if ((set >> cut & 1) != 0) cuts.push_back(cut);
      }
      const uint32_t most = MostCrossed(cuts);
      bool largest = cuts.size() > 1;
      for (uint32_t cut = 0; cut < count && largest; ++cut) {
        if ((set >> cut & 1) != 0) continue;
        cuts.push_back(cut);
        largest = MostCrossed(cuts) > most;
        cuts.pop_back();
      }
      if (largest) packings_.push_back({cuts, most});
    }
  }

  void FindEdges(std::span<const Set> known, const Set& left) {
    edges_.clear();
    for (uint32_t place = 0; place < space_.places(); ++place) {
      known[place].And(space_.on(place)).ForEach([&](uint32_t node) {
        const Set followers = space_.followers(node).And(left);
        if (!followers.Empty()) edges_.push_back({node, followers});
      });
    }
  }

  // What is left, and what a follower has to be told by the place that ran it, as no other knows
  // it.
  Set Unknown(std::span<const Set> known, const Set& left) const {
    Set out = left;
    for (const Edges& edges : edges_) {
      const auto knows = [&](const Set& set) { return set.Has(edges.node); };
      if (std::count_if(known.begin(), known.end(), knows) == 1) out.Add(edges.node);
    }
    return out;
  }

  uint32_t CutBound(const Cut& cut, std::span<const Set> known, const Set& left) const {
    Set side_knows, other_knows;
    for (uint32_t place = 0; place < space_.places(); ++place) {
      Set& knows = (cut.mask >> place & 1) != 0 ? side_knows : other_knows;
      knows = knows.Or(known[place]);
    }
    Set needed = left;
    for (const Edges& edges : edges_) {
      const bool in_side = cut.side.Has(edges.node);
      const Set& across = in_side ? other_knows : side_knows;
      if (!across.Has(edges.node) && edges.followers.Meets(in_side ? cut.other : cut.side)) {
        needed.Add(edges.node);
      }
    }
    return cut.levels.Length(needed, 0);
  }

  const SyncSpace<kWords>& space_;
  WordLevels<kWords> senders_, receivers_;
  std::vector<Cut> cuts_;
  std::vector<Packing> packings_;
  std::vector<Edges> edges_;  // of the state being looked at
};

}  // namespace tinyai
