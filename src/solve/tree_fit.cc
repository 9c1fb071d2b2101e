#include "solve/tree_fit.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

namespace tinyai {
namespace {

using Item = Sections::Item;

// Parts of so few items are not cut further.
constexpr size_t kFew = 24;

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
  }

  std::optional<FitResult> Run() {
    std::vector<uint32_t> items(sections_.items.size());
    std::iota(items.begin(), items.end(), 0u);
    Fit(items, 0, sections_.count, {});
    if (looks_left_ == 0) return std::nullopt;
    return std::move(out_);
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
  void Fit(std::span<uint32_t> items, uint32_t begin, uint32_t end, const Boxes& above) {
    if (items.empty() || looks_left_ == 0) return;
    Boxes boxes = Within(above, begin, end);
    if (items.size() <= kFew || end - begin <= 1) return Place(items, boxes);
    const uint32_t cut = CutOf(begin, end);
    const auto here = std::partition(items.begin(), items.end(), [&](uint32_t i) {
      return sections_.items[i].first <= cut && cut < sections_.items[i].last;
    });
    const auto before = std::partition(here, items.end(),
                                       [&](uint32_t i) { return sections_.items[i].last <= cut; });
    const std::span<uint32_t> cut_through{items.begin(), here};
    if (manner_.first == TreeManner::First::kFar) RankByReach(cut_through, cut);
    Place(cut_through, boxes);
    Fit({here, before}, begin, cut, boxes);
    Fit({before, items.end()}, cut + 1, end, boxes);
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
  std::vector<int64_t> alive_;  // units, by section
  std::vector<double> keys_;    // by item, highest first
  FitResult out_;
};

}  // namespace

std::optional<FitResult> TreeFit(const Sections& sections, TreeManner manner, uint64_t most_looks) {
  return Fitter(sections, manner, most_looks).Run();
}

}  // namespace tinyai
