#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// Which values of a net hold a def, and since and until when they do by the text of a schedule:
// lines bring values to memories once more, or take them away. Whoever is not listed stands in
// front of the first of these lines that has to come after it.
class HeldValues {
 public:
  // A point of the text: line n is 2 n + 2, and in front of it is 2 n + 1.
  using Moment = int64_t;
  static constexpr Moment kStart = 0, kEnd = std::numeric_limits<Moment>::max();
  static Moment MomentOf(size_t line) { return 2 * static_cast<Moment>(line) + 2; }

  struct Held {
    NetValueId value{};
    NetOpId op{};  // behind which it is there
    Moment since = kStart;
    std::optional<PlaceId> at;    // recompute: only what is computed there reads it
    std::optional<size_t> epoch;  // of what nobody listed: how often it had left the memory before
    bool returns = false;         // moved back to where it was moved from
    bool again = false;           // computed again, or moved from there
  };
  // A line that takes a def from a memory, or brings it there.
  struct Line {
    NetOpId op{};
    Moment when = kStart;
    MemoryId memory{};
    bool returns = false;  // the same
  };

  // All outlive this object. Each value has its memory, each of the ops, with which the net begins,
  // its place.
  HeldValues(const Program& program, const Wishes& wishes, const ProgramNet& net, size_t ops);

  const std::vector<Held>& All(DefId def) const { return held_[Index(def)]; }
  const std::vector<Line>& Evictions(DefId def) const { return evictions_[Index(def)]; }
  const std::vector<Line>& Frees(DefId def) const { return frees_[Index(def)]; }
  const std::vector<Line>& Brought(DefId def) const { return brought_[Index(def)]; }
  // Whether lines say anything of a def.
  bool IsListed(DefId def) const {
    return !Evictions(def).empty() || !Brought(def).empty() || !frees_[Index(def)].empty();
  }
  void Add(DefId def, Held held) { held_[Index(def)].push_back(held); }
  // What a move reads.
  void Moves(DefId def, NetOpId move, NetValueId from);
  // A listed move that returns.
  void Return(DefId def, NetOpId move);

  // Where an op stands in the text, as far as lines of the def go.
  Moment MomentFor(NetOpId op, DefId def);
  // Whether `reader` comes after a line: what stands in an arm holds for that arm.
  bool Sees(NetOpId reader, DefId def, NetOpId line, Moment when);
  // How often a def has left a memory since, as far as the reader sees.
  size_t Left(NetOpId reader, DefId def, MemoryId memory, Moment since = kStart);
  // What `reader` reads of a def in a memory: what its place has computed again last, or has
  // returned, else what is there first; moves take what was computed again only for want of others;
  // nothing where it is not there. What was freed only if there is nothing else.
  const Held* Find(NetOpId reader, DefId def, MemoryId memory);
  // The same for whoever copies it elsewhere.
  bool IsThere(NetOpId reader, DefId def, const Held& held);
  bool IsFreed(NetOpId reader, DefId def, const Held& held) const {
    return WasFreed(reader, def, net_.net.value(held.value).memory, held.since);
  }
  // Whether lines since a moment freed a def where a listed reader needs it.
  bool WasFreed(NetOpId reader, DefId def, MemoryId memory, Moment since = kStart) const;
  // Where it is decided whether a value is read: what merges looks into the arms.
  RegionId RegionFor(NetOpId reader, DefId def) const;
  RegionId MakerRegion(DefId def) const;
  // Whether an op merges what the arms made that a condition decides between: it reads that one
  // which decides, never another one that was computed again.
  bool MergesBy(NetOpId op, DefId condition) const;

 private:
  std::optional<Moment> ListedAt(NetOpId op) const;
  PlaceId PlaceOf(NetOpId op) const { return net_.net.op(op).choices.front().place; }
  const std::vector<bool>& Before(NetOpId op);

  const Program& program_;
  const Wishes& wishes_;
  const ProgramNet& net_;
  const size_t ops_;
  std::vector<std::vector<Held>> held_;                         // by def, the first one first
  std::vector<std::vector<Line>> evictions_, frees_, brought_;  // by def, in order
  std::optional<NeedLists> needs_;                              // of the net as it was
  std::map<NetOpId, std::vector<bool>> before_;
};

}  // namespace tinyai
