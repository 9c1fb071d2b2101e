#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "plan/net_plan.h"

namespace tinyai {

// Some cells in a row, half open; none for a buffer without bytes.
struct CellRange {
  uint32_t first = 0, last = 0;
};

// The memories of a plan cut wherever one of its buffers begins or ends, so that each buffer is
// some cells in a row. O(buffers).
class BufferCells {
 public:
  explicit BufferCells(const NetPlan& plan);

  CellRange value(size_t id) const { return ranges_[id]; }
  CellRange workspace(size_t op) const { return ranges_[values_ + op]; }
  // Has it fetched, before it is asked for.
  [[gnu::always_inline]] void FetchWorkspace(size_t op) const {
    __builtin_prefetch(&ranges_[values_ + op]);
  }
  const std::vector<uint32_t>& counts() const { return counts_; }  // by memory

 private:
  const NetBuffer& BufferOf(const NetPlan& plan, uint32_t i) const {
    return i < values_ ? plan.value_buffers[i] : plan.workspaces[i - values_];
  }
  template <typename At>
  uint32_t Cut(const std::vector<uint32_t>& buffers, const NetPlan& plan, unsigned unit_bits);

  size_t values_;
  std::vector<CellRange> ranges_;
  std::vector<uint32_t> counts_;
};

// The cells of a memory, joined into stretches that were all touched alike: each has a `header` and
// a list of items. Whoever writes makes one stretch of what it writes, so their number stays near
// that of the buffers in use.
template <typename Header, typename Item>
class Stretches {
 public:
  class Stretch {
   public:
    Header header{};

   private:
    friend class Stretches;
    uint32_t items = kNone;
  };

  explicit Stretches(uint32_t cells) : stretches_(cells), heads_(cells / 64 + 1, 0) {
    heads_[0] = 1;
    nodes_.reserve(cells);
  }

  // Calls visit(stretch) for every stretch of the range, cut so that they fit exactly, until one
  // returns false. Whether none did.
  template <typename Visit>
  bool Each(CellRange range, Visit visit) {
    if (range.first == range.last) return true;
    CutAt(range.first);
    CutAt(range.last);
    for (uint32_t at = range.first; at < range.last; at = HeadFrom(at + 1)) {
      if (!visit(stretches_[at])) return false;
    }
    return true;
  }

  // Has what is there fetched, before it is asked for.
  [[gnu::always_inline]] void Fetch(CellRange range) const {
    if (range.first != range.last) __builtin_prefetch(&stretches_[range.first]);
  }

  // Makes one new stretch of a range that is not empty.
  Stretch& Join(CellRange range) {
    Each(range, [&](Stretch& stretch) {
      Clear(stretch);
      return true;
    });
    for (uint32_t at = range.first + 1; at < range.last; at = HeadFrom(at)) SetHead(at, false);
    stretches_[range.first].header = Header();
    return stretches_[range.first];
  }

  // Calls visit(item) until one returns false. Whether none did.
  template <typename Visit>
  bool EachItem(const Stretch& stretch, Visit visit) {
    for (uint32_t i = stretch.items; i != kNone; i = nodes_[i].next) {
      if (!visit(nodes_[i].item)) return false;
    }
    return true;
  }
  void Add(Stretch& stretch, const Item& item) {
    uint32_t node = free_;
    if (node == kNone) {
      node = static_cast<uint32_t>(nodes_.size());
      nodes_.emplace_back();
    } else {
      free_ = nodes_[node].next;
    }
    nodes_[node] = {item, std::exchange(stretch.items, node)};
  }

 private:
  static constexpr uint32_t kNone = ~uint32_t{0};
  struct Node {
    Item item{};
    uint32_t next = kNone;
  };

  bool IsHead(uint32_t at) const { return (heads_[at / 64] >> at % 64 & 1) != 0; }
  void SetHead(uint32_t at, bool head) {
    const uint64_t bit = uint64_t{1} << at % 64;
    heads_[at / 64] = head ? heads_[at / 64] | bit : heads_[at / 64] & ~bit;
  }
  // The first head that is not before `at`, or the number of cells.
  uint32_t HeadFrom(uint32_t at) const {
    uint64_t word = heads_[at / 64] >> at % 64;
    if (word != 0) return at + static_cast<uint32_t>(std::countr_zero(word));
    for (size_t i = at / 64 + 1; i < heads_.size(); ++i) {
      if (heads_[i] != 0) return static_cast<uint32_t>(i * 64) + CountZeros(heads_[i]);
    }
    return static_cast<uint32_t>(stretches_.size());
  }
  static uint32_t CountZeros(uint64_t word) {
    return static_cast<uint32_t>(std::countr_zero(word));
  }
  uint32_t HeadBefore(uint32_t at) const {
    size_t i = at / 64;
    uint64_t word = heads_[i] & ((uint64_t{1} << at % 64) - 1);
    while (word == 0) word = heads_[--i];
    return static_cast<uint32_t>(i * 64) + 63 - static_cast<uint32_t>(std::countl_zero(word));
  }

  void CutAt(uint32_t at) {
    if (at >= stretches_.size() || IsHead(at)) return;
    const Stretch& whole = stretches_[HeadBefore(at)];
    stretches_[at].header = whole.header;
    stretches_[at].items = kNone;
    for (uint32_t i = whole.items; i != kNone; i = nodes_[i].next) {
      Add(stretches_[at], Item(nodes_[i].item));
    }
    SetHead(at, true);
  }

  void Clear(Stretch& stretch) {
    while (stretch.items != kNone) {
      const uint32_t node = stretch.items;
      stretch.items = std::exchange(nodes_[node].next, free_);
      free_ = node;
    }
  }

  std::vector<Stretch> stretches_;  // by cell; only those of heads count
  std::vector<uint64_t> heads_;     // a bit for each cell: whether a stretch begins there
  std::vector<Node> nodes_;
  uint32_t free_ = kNone;
};

}  // namespace tinyai
