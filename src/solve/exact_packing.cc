// The rules of the search. A problem is a set of items, each with a least offset e; x are the
// offsets of a solution with the least sum, if there is one. Two items are neighbours if they share
// a section.
//
// 1. Branching. Let c be an item that no neighbour can lie below: none has its least top at e_c or
//    lower. Either x_c = e_c, and then all its neighbours lie on top of it; or c is above e_c and
//    yet cannot move down to it, so a neighbour that takes bytes of [e_c, e_c + size_c) lies below
//    it, and e_c rises to the least top of such a neighbour. The lowest item is always such a c.
// 2. Sections. Items of one section lie apart, so their tops reach at least what a machine needs
// that
//    does them one after the other in order of e, each not before its e (1|r|Cmax).
// 3. Parts that share no section are independent. An item alone is placed at its e.
// 4. A problem that failed fails again; problems are told apart by 128 bits of hash.
//
// Which c is taken decides how fast failures are found: where a section has little room left the
// search should stay until it is filled, and low items should come before high ones.

#include "solve/exact_packing.h"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>

#include "base/mix.h"
#include "solve/branch_orders.h"

namespace tinyai {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr uint64_t kNodesPerLookAtTheClock = 64;

// An item that is not placed yet.
struct Open {
  int64_t least;  // its offset is no less: e
  int64_t size;
  uint32_t first, last;
  uint32_t rank;  // decides between equal e
  uint32_t item;
  bool risen;  // since the items were in order

  bool Meets(const Open& other) const { return first < other.last && other.first < last; }
  int64_t least_top() const { return least + size; }
};

bool Before(const Open& a, const Open& b) {
  return a.least != b.least ? a.least < b.least : a.rank < b.rank;
}

using OpenItems = std::vector<Open>;  // in order of Before

struct Digest {
  uint64_t a = 0, b = 0;
  bool operator==(const Digest&) const = default;
};
struct DigestHash {
  size_t operator()(const Digest& digest) const { return digest.a; }
};

Digest DigestOf(const OpenItems& items) {
  Digest out;
  for (const Open& item : items) {
    const uint64_t x = Mix64(Mix64(static_cast<uint64_t>(item.least)) + item.item);
    out.a += x;
    out.b += Mix64(x ^ 0xD1B54A32D192ED03u);
  }
  return out;
}

class Failures {
 public:
  bool Has(const Digest& digest) const { return known_.contains(digest); }
  void Add(const Digest& digest) {
    if (known_.size() < kMost) known_.insert(digest);
  }

 private:
  static constexpr size_t kMost = size_t{1} << 20;  // about 50 MB
  std::unordered_set<Digest, DigestHash> known_;
};

// How one run of the search chooses.
struct Manner {
  std::vector<uint32_t> ranks;  // by item
  // What a unit of room in a section counts against a unit of height, when the next place to fill
  // is chosen; 0 takes the lowest item of all.
  double room_weight;
};

class Search {
 public:
  Search(const Sections& sections, int64_t capacity, LookBudget& budget,
         std::vector<int64_t>& offsets)
      : sections_(sections),
        capacity_(capacity),
        budget_(budget),
        offsets_(offsets),
        tops_(sections.count),
        floors_(sections.count) {}

  Packed Run(const Manner& manner, uint64_t most_looks) {
    room_weight_ = manner.room_weight;
    looks_left_ = std::min(most_looks, budget_.left);
    OpenItems items;
    for (uint32_t i = 0; i < sections_.items.size(); ++i) {
      const Sections::Item& item = sections_.items[i];
      if (item.size > capacity_) return Packed::kImpossible;
      items.push_back({0, item.size, item.first, item.last, manner.ranks[i], i, false});
    }
    std::sort(items.begin(), items.end(), Before);
    return Solve(items);
  }

 private:
  // The items may be in several parts. Like all below, changes them.
  Packed Solve(OpenItems& items) {
    if (!SectionsHaveRoom(items)) return Packed::kImpossible;
    std::vector<OpenItems> parts = Parts(items);
    if (parts.empty()) return SolvePart(items);
    // Small ones first: they are soon known to be impossible.
    std::stable_sort(parts.begin(), parts.end(),
                     [](const OpenItems& a, const OpenItems& b) { return a.size() < b.size(); });
    for (OpenItems& part : parts) {
      const Packed packed = SolvePart(part);
      if (packed != Packed::kYes) return packed;
    }
    return Packed::kYes;
  }

  Packed SolvePart(OpenItems& items) {
    if (items.empty()) return Packed::kYes;
    if (items.size() == 1) {
      offsets_[items[0].item] = items[0].least;
      return Packed::kYes;
    }
    const Digest digest = DigestOf(items);
    if (failures_.Has(digest)) return Packed::kImpossible;
    const Packed packed = Branch(items);
    if (packed == Packed::kImpossible) failures_.Add(digest);
    return packed;
  }

  Packed Branch(OpenItems& items) {
    OpenItems rest;
    while (SectionsHaveRoom(items)) {
      if (!TakeNode(items.size())) return Packed::kGaveUp;
      const size_t chosen = Choose(items);
      const Open placed = items[chosen];
      if (Place(items, chosen, rest)) {
        const Packed packed = Solve(rest);
        if (packed == Packed::kYes) offsets_[placed.item] = placed.least;
        if (packed != Packed::kImpossible) return packed;
      }
      if (!RiseToSupport(items, chosen)) break;
    }
    return Packed::kImpossible;
  }

  bool TakeNode(size_t items) {
    if (looks_left_ == 0) return false;
    looks_left_ -= std::min<uint64_t>(looks_left_, items);
    budget_.left -= std::min<uint64_t>(budget_.left, items);
    if (++nodes_ % kNodesPerLookAtTheClock == 0 && budget_.limits.expired()) {
      budget_.left = looks_left_ = 0;
    }
    return true;
  }

  // Rule 2. Leaves the bound of each section in tops_, its lowest item in floors_.
  bool SectionsHaveRoom(const OpenItems& items) {
    std::fill(tops_.begin(), tops_.end(), 0);
    std::fill(floors_.begin(), floors_.end(), kNever);
    for (const Open& item : items) {
      const int64_t least = item.least, size = item.size;
      for (uint32_t s = item.first; s < item.last; ++s) {
        floors_[s] = std::min(floors_[s], least);
        tops_[s] = std::max(tops_[s], least) + size;
      }
    }
    return std::all_of(tops_.begin(), tops_.end(), [&](int64_t top) { return top <= capacity_; });
  }

  // Rule 3. None if there is only one.
  std::vector<OpenItems> Parts(const OpenItems& items) {
    parts_.assign(sections_.count + 1, 0);
    for (const Open& item : items) {  // summed up: how many live in section s - 1 and in s
      ++parts_[item.first + 1];
      --parts_[item.last];
    }
    int32_t part = 0, crossing = 0;
    bool used = false;  // a section of this part
    for (uint32_t s = 0; s < sections_.count; ++s) {
      crossing += parts_[s];
      if (crossing == 0 && used) ++part, used = false;
      used |= tops_[s] > 0;
      parts_[s] = part;
    }
    std::vector<OpenItems> all;
    if (part == 0 || (part == 1 && !used)) return all;
    all.resize(static_cast<size_t>(part) + used);
    for (const Open& item : items) all[static_cast<size_t>(parts_[item.first])].push_back(item);
    return all;
  }

  // An item for rule 1.
  size_t Choose(const OpenItems& items) const {
    if (room_weight_ == 0) return 0;
    const uint32_t section = NextSection();
    size_t chosen = 0;
    while (items[chosen].first > section || items[chosen].last <= section) ++chosen;
    // Down to what may lie below it; least offsets fall, so this ends.
    for (size_t i = 0; i < items.size() && items[i].least < items[chosen].least;) {
      const bool below =
          items[i].Meets(items[chosen]) && items[i].least_top() <= items[chosen].least;
      if (below) chosen = i;
      i = below ? 0 : i + 1;
    }
    return chosen;
  }

  uint32_t NextSection() const {
    double best = std::numeric_limits<double>::infinity();
    uint32_t out = 0;
    for (uint32_t s = 0; s < tops_.size(); ++s) {
      if (tops_[s] == 0) continue;
      const double score = room_weight_ * static_cast<double>(capacity_ - tops_[s]) +
                           static_cast<double>(floors_[s]);
      if (score < best) best = score, out = s;
    }
    return out;
  }

  // What is left when items[chosen] lies at its least offset; false if that cannot be.
  bool Place(const OpenItems& items, size_t chosen, OpenItems& rest) {
    const Open& placed = items[chosen];
    rest.clear();
    for (size_t i = 0; i < items.size(); ++i) {
      if (i == chosen) continue;
      rest.push_back(items[i]);
      if (items[i].Meets(placed) && !Rise(rest.back(), placed.least_top())) return false;
    }
    RestoreOrder(rest);
    return true;
  }

  // items[chosen] does not lie at its least offset. False if then it cannot lie anywhere.
  bool RiseToSupport(OpenItems& items, size_t chosen) {
    const Open item = items[chosen];
    int64_t support = kNever;
    for (const Open& other : items) {
      if (other.least >= std::min(support, item.least_top())) break;
      if (other.item != item.item && other.Meets(item)) {
        support = std::min(support, other.least_top());
      }
    }
    if (support == kNever || !Rise(items[chosen], support)) return false;
    RestoreOrder(items);
    return true;
  }

  // False if it does not fit below the capacity any more.
  bool Rise(Open& item, int64_t least) const {
    if (least <= item.least) return true;
    const int64_t alignment = sections_.items[item.item].alignment;
    item.least = alignment == 1 ? least : (least + alignment - 1) / alignment * alignment;
    item.risen = true;
    return item.least_top() <= capacity_;
  }

  // Merges those that have risen with the others, which are in order.
  void RestoreOrder(OpenItems& items) {
    risen_.clear();
    size_t kept = 0;
    for (const Open& item : items) {
      if (item.risen) {
        risen_.push_back(item);
        risen_.back().risen = false;
      } else {
        items[kept++] = item;
      }
    }
    std::sort(risen_.begin(), risen_.end(), Before);
    for (size_t to = items.size(), left = risen_.size(); left > 0;) {
      const bool risen_last = kept == 0 || Before(items[kept - 1], risen_[left - 1]);
      items[--to] = risen_last ? risen_[--left] : items[--kept];
    }
  }

  const Sections& sections_;
  const int64_t capacity_;
  LookBudget& budget_;
  std::vector<int64_t>& offsets_;
  Failures failures_;
  double room_weight_ = 0;
  uint64_t looks_left_ = 0, nodes_ = 0;
  std::vector<int64_t> tops_, floors_;  // by section, see SectionsHaveRoom
  std::vector<int32_t> parts_;
  OpenItems risen_;
};

}  // namespace

Packed PackExactly(const Sections& sections, int64_t capacity, LookBudget& budget,
                   std::vector<int64_t>& offsets) {
  // From "the lowest item of all" to "where the least room is".
  constexpr std::array kRoomWeights = {0.0, 0.25, 1.0, 4.0, 1e6};
  constexpr uint64_t kFirstNodes = 256;  // of all items
  offsets.assign(sections.items.size(), 0);
  std::vector<Manner> manners;
  for (std::vector<uint32_t>& ranks : BranchOrders(sections)) {
    for (const double weight : kRoomWeights) manners.push_back({ranks, weight});
  }
  Search search(sections, capacity, budget, offsets);
  for (uint64_t looks = kFirstNodes * std::max<size_t>(1, sections.items.size());; looks *= 2) {
    for (const Manner& manner : manners) {
      const Packed packed = search.Run(manner, manner.room_weight == 0 ? 2 * looks : looks);
      if (packed != Packed::kGaveUp || budget.left == 0) return packed;
    }
  }
}

}  // namespace tinyai
