#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "solve/contract_syncs.h"

// What a search for the fewest syncs walks through: for each place the set of nodes it knows to be
// complete. A place runs a node as soon as it may; that is never worse, since a fence recorded
// later hands on more. Sets are bits, `kWords` words each.
namespace tinyai {

template <int kWords>
struct NodeSet {
  std::array<uint64_t, kWords> words = {};

  bool operator==(const NodeSet&) const = default;
  bool Has(uint32_t node) const { return (words[node / 64] >> node % 64 & 1) != 0; }
  void Add(uint32_t node) { words[node / 64] |= uint64_t{1} << node % 64; }
  bool Empty() const {
    uint64_t any = 0;
    for (const uint64_t word : words) any |= word;
    return any == 0;
  }
  bool Within(const NodeSet& other) const { return Without(other).Empty(); }
  bool Meets(const NodeSet& other) const { return !And(other).Empty(); }
  NodeSet And(const NodeSet& o) const {
    return Zip(o, [](uint64_t a, uint64_t b) { return a & b; });
  }
  NodeSet Or(const NodeSet& o) const {
    return Zip(o, [](uint64_t a, uint64_t b) { return a | b; });
  }
  NodeSet Without(const NodeSet& o) const {
    return Zip(o, [](uint64_t a, uint64_t b) { return a & ~b; });
  }
  uint32_t Count() const {
    int count = 0;
    for (const uint64_t word : words) count += __builtin_popcountll(word);
    return static_cast<uint32_t>(count);
  }
  template <typename F>
  void ForEach(F&& f) const {
    for (int i = 0; i < kWords; ++i) {
      for (uint64_t word = words[i]; word != 0; word &= word - 1) {
        f(static_cast<uint32_t>(i * 64 + __builtin_ctzll(word)));
      }
    }
  }

 private:
  template <typename F>
  NodeSet Zip(const NodeSet& other, F&& f) const {
    NodeSet out;
    for (int i = 0; i < kWords; ++i) out.words[i] = f(words[i], other.words[i]);
    return out;
  }
};

template <int kWords>
class SyncSpace {
 public:
  using Set = NodeSet<kWords>;

  explicit SyncSpace(const ContractedNet& net)
      : places_(net.places),
        place_(net.place),
        needs_(net.size()),
        followers_(net.size()),
        on_(net.places) {
    for (uint32_t node = 0; node < net.size(); ++node) {
      all_.Add(node);
      on_[place_[node]].Add(node);
      for (const uint32_t need : net.needs[node]) {
        needs_[node].Add(need);
        followers_[need].Add(node);
      }
    }
  }

  uint32_t places() const { return places_; }
  uint32_t size() const { return static_cast<uint32_t>(place_.size()); }
  uint32_t place(uint32_t node) const { return place_[node]; }
  const Set& all() const { return all_; }
  const Set& on(uint32_t place) const { return on_[place]; }
  const Set& followers(uint32_t node) const { return followers_[node]; }  // those that need it

  // What `place` knows after it has run all it can, knowing `known`.
  Set Close(uint32_t place, Set known) const {
    Set done = known;
    on_[place].Without(known).ForEach([&](uint32_t node) {
      if (needs_[node].Within(known)) done.Add(node);
    });
    return done;
  }

  // What has not run, of a state: the knowledge of each place.
  Set Left(std::span<const Set> known) const {
    Set done;
    for (uint32_t place = 0; place < places_; ++place) {
      done = done.Or(known[place].And(on_[place]));
    }
    return all_.Without(done);
  }

 private:
  uint32_t places_;
  std::vector<uint32_t> place_;
  std::vector<Set> needs_, followers_;
  std::vector<Set> on_;
  Set all_;
};

}  // namespace tinyai
