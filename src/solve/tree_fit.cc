#include "solve/tree_fit.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "base/mix.h"

namespace tinyai {
namespace {

using Item = Sections::Item;

// Parts of so few items are not cut further.
constexpr size_t kFew = 24;
// Rounds without a lower height, after which there will be none for long.
constexpr int kMostStale = 40;

// What a placed item takes.
struct Box {
  int64_t begin, end;
  uint32_t first, last;
};
using Boxes = std::vector<Box>;  // in order of begin

class Fitter {
 public:
  Fitter(const Sections& sections, TreeManner manner, uint64_t most_looks)
      : sections_(sections), manner_(manner), looks_left_(most_looks) {
    if (manner.cut == TreeManner::Cut::kCrowded) alive_ = UnitsAlive(sections);
    keys_.reserve(sections.items.size());
    for (const Item& item : sections.items) keys_.push_back(KeyOf(item));
    out_.offsets.resize(sections.items.size());
    depth_.resize(sections.items.size());
  }

  std::optional<FitResult> Run() {
    out_.height = 0;
    std::vector<uint32_t> items(sections_.items.size());
    std::iota(items.begin(), items.end(), 0u);
    Fit(items, 0, sections_.count, {}, 0);
    if (looks_left_ == 0) return std::nullopt;
    return out_;
  }

  uint64_t looks_left() const { return looks_left_; }

  // Has what ends above the line placed earlier from now on.
  void LiftAbove(int64_t line) {
    lift_.resize(sections_.items.size());
    for (size_t i = 0; i < sections_.items.size(); ++i) {
      if (out_.offsets[i] + sections_.items[i].size <= line) continue;
      lift_[i] = std::min(depth_[i], lift_[i] + 1 + static_cast<uint32_t>(Mix64(++random_) % 3));
      keys_[i] *= 1.2;
    }
  }

 private:
  double KeyOf(const Item& item) const {
    const double width = item.last - item.first;
    switch (manner_.first) {
      case TreeManner::First::kLong:
      case TreeManner::First::kFar:  // where there is no cut
        return width;
      case TreeManner::First::kLarge:
        return static_cast<double>(item.size);
      case TreeManner::First::kArea:
        return width * static_cast<double>(item.size);
      case TreeManner::First::kEarly:
        return -static_cast<double>(item.first);
    }
    return 0;
  }

  // The items live in sections [begin, end), and so does part of each box above. The depth is
  // logarithmic in the number of sections: each part is at most three quarters of the whole.
  void Fit(std::span<uint32_t> items, uint32_t begin, uint32_t end, const Boxes& above,
           uint32_t depth) {
    if (items.empty() || looks_left_ == 0) return;
    Boxes boxes = Within(above, begin, end);
    if (items.size() <= kFew || end - begin <= 1) {
      for (const uint32_t i : items) NoteDepth(i, depth);
      return Place(items, boxes);
    }
    const uint32_t cut = CutOf(begin, end);
    const auto here = std::partition(items.begin(), items.end(), [&](uint32_t i) {
      if (IsLifted(i)) return depth_[i] - lift_[i] <= depth;
      const bool met = sections_.items[i].first <= cut && cut < sections_.items[i].last;
      if (met) NoteDepth(i, depth);
      return met;
    });
    const auto before = std::partition(here, items.end(),
                                       [&](uint32_t i) { return sections_.items[i].last <= cut; });
    const std::span<uint32_t> cut_through{items.begin(), here};
    if (manner_.first == TreeManner::First::kFar) RankByReach(cut_through, cut);
    Place(cut_through, boxes);
    Fit({here, before}, begin, cut, boxes, depth + 1);
    Fit({before, items.end()}, cut + 1, end, boxes, depth + 1);
  }

  bool IsLifted(uint32_t i) const { return !lift_.empty() && lift_[i] != 0; }
  void NoteDepth(uint32_t i, uint32_t depth) {
    if (!IsLifted(i)) depth_[i] = depth;
  }

  // Of equal reach, the longer one is first.
  void RankByReach(std::span<const uint32_t> items, uint32_t cut) {
    for (const uint32_t index : items) {
      const Item& item = sections_.items[index];
      const uint32_t before = cut - item.first, after = item.last - cut - 1;
      keys_[index] = std::max(before, after) + std::min(before, after) * 0x1p-32;
    }
  }

  uint32_t CutOf(uint32_t begin, uint32_t end) const {
    if (manner_.cut == TreeManner::Cut::kMiddle) return begin + (end - begin) / 2;
    const uint32_t quarter = (end - begin) / 4;
    const auto* const most =
        std::max_element(alive_.data() + begin + quarter, alive_.data() + end - quarter);
    return static_cast<uint32_t>(most - alive_.data());
  }

  // Those that reach into [begin, end); what is there all through is merged where it touches.
  static Boxes Within(const Boxes& above, uint32_t begin, uint32_t end) {
    Boxes out;
    out.reserve(above.size() + kFew);
    size_t through = 0;  // one more than the index of the last one there all through
    for (const Box& box : above) {
      if (box.first >= end || box.last <= begin) continue;
      const bool all = box.first <= begin && box.last >= end;
      if (all && through > 0 && out[through - 1].end == box.begin) {
        out[through - 1].end = box.end;
        continue;
      }
      out.push_back(box);
      if (all) through = out.size();
    }
    return out;
  }

  void Place(std::span<uint32_t> items, Boxes& boxes) {
    std::sort(items.begin(), items.end(), [&](uint32_t a, uint32_t b) {
      return keys_[a] != keys_[b] ? keys_[a] > keys_[b] : a < b;
    });
    for (const uint32_t index : items) {
      if (looks_left_ == 0) return;
      PlaceOne(index, boxes);
    }
  }

  void PlaceOne(uint32_t index, Boxes& boxes) {
    const Item& item = sections_.items[index];
    int64_t offset = 0;
    size_t seen = 0;
    for (; seen < boxes.size() && boxes[seen].begin < offset + item.size; ++seen) {
      const Box& box = boxes[seen];
      if (box.end > offset && box.first < item.last && item.first < box.last) {
        offset = AlignUp(box.end, item.alignment);
      }
    }
    looks_left_ -= std::min<uint64_t>(looks_left_, seen + 1);
    const auto place = std::partition_point(boxes.begin(), boxes.begin() + static_cast<long>(seen),
                                            [&](const Box& box) { return box.begin < offset; });
    boxes.insert(place, {offset, offset + item.size, item.first, item.last});
    out_.offsets[index] = offset;
    out_.height = std::max(out_.height, offset + item.size);
  }

  const Sections& sections_;
  const TreeManner manner_;
  uint64_t looks_left_;
  std::vector<int64_t> alive_;   // units, by section
  std::vector<double> keys_;     // by item, highest first
  std::vector<uint32_t> depth_;  // by item: of the cut that meets it
  std::vector<uint32_t> lift_;   // by item: so many cuts further out it is placed; empty: none is
  uint64_t random_ = 0;
  FitResult out_;
};

}  // namespace

void ImproveTreeFit(const Sections& sections, TreeManner manner, int64_t enough,
                    uint64_t& looks_left, const SearchLimits& limits, FitResult& best) {
  Fitter fitter(sections, manner, looks_left);
  int64_t lowest = std::numeric_limits<int64_t>::max();
  for (int stale = 0; stale < kMostStale && best.height > enough && !limits.expired(); ++stale) {
    const std::optional<FitResult> fit = fitter.Run();
    looks_left = fitter.looks_left();
    if (!fit) return;
    if (fit->height < lowest) lowest = fit->height, stale = 0;
    if (fit->height < best.height) best = *fit;
    fitter.LiftAbove(enough);
  }
}

std::optional<FitResult> TreeFit(const Sections& sections, TreeManner manner, uint64_t most_looks) {
  return Fitter(sections, manner, most_looks).Run();
}

}  // namespace tinyai
