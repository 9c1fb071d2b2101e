#include "solve/ejection.h"

#include <algorithm>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

#include "base/mix.h"
#include "solve/neighbours.h"

namespace tinyai {
namespace {

using Item = Sections::Item;

// Looks that a line may cost, as a share of all.
constexpr uint64_t kLines = 3;
constexpr uint64_t kStepsPerLookAtTheClock = 64;
constexpr int64_t kAnyHeight = std::numeric_limits<int64_t>::max() / 2;

enum class Gap : uint8_t { kLowest, kTightest, kAny };

// What an item in the way takes.
struct Taken {
  int64_t begin, end;
  uint32_t item;
};

// In order of `key`, which is from 0 to below `most` and spread evenly enough, in linear time.
template <typename Key>
class SpreadSort {
 public:
  SpreadSort(Key key) : key_(key) {}

  void operator()(std::vector<Taken>& all, int64_t most) {
    const size_t size = all.size();
    starts_.assign(size + 1, 0);
    const double scale = static_cast<double>(size) / (static_cast<double>(most) + 1);
    const auto bucket = [&](const Taken& one) {
      return std::min(size - 1, static_cast<size_t>(static_cast<double>(key_(one)) * scale));
    };
    for (const Taken& one : all) ++starts_[bucket(one) + 1];
    for (size_t i = 1; i <= size; ++i) starts_[i] += starts_[i - 1];
    sorted_.resize(size);
    for (const Taken& one : all) sorted_[starts_[bucket(one)]++] = one;
    const auto before = [&](const Taken& a, const Taken& b) {
      return std::pair(key_(a), a.item) < std::pair(key_(b), b.item);
    };
    size_t begin = 0;
    for (size_t i = 0; i < size; ++i) {  // now starts_ is where each bucket ends
      if (starts_[i] - begin > 1) {
        std::sort(sorted_.begin() + static_cast<long>(begin),
                  sorted_.begin() + static_cast<long>(starts_[i]), before);
      }
      begin = starts_[i];
    }
    all.swap(sorted_);
  }

 private:
  Key key_;
  std::vector<size_t> starts_;
  std::vector<Taken> sorted_;
};

class Ejection {
 public:
  Ejection(const Sections& sections, uint64_t most_looks, const SearchLimits& limits)
      : sections_(sections),
        limits_(limits),
        neighbours_(sections),
        looks_left_(most_looks),
        out_(sections.items.size(), false),
        weights_(sections.items.size()) {
    for (const Item& item : sections.items) areas_.push_back(AreaOf(item));
  }

  bool over() const { return looks_left_ == 0; }

  // Offsets that end at `line` or below, if that can be done; else some others.
  bool Lower(int64_t line, uint64_t most_looks, std::vector<int64_t>& offsets) {
    line_ = line;
    offsets_ = &offsets;
    weights_ = areas_;
    line_looks_left_ = std::min(most_looks, looks_left_);
    for (uint32_t i = 0; i < sections_.items.size(); ++i) {
      if (offsets[i] + sections_.items[i].size > line) TakeOut(i);
    }
    for (uint64_t step = 1; !waiting_.empty() && line_looks_left_ > 0; ++step) {
      if (step % kStepsPerLookAtTheClock == 0 && limits_.expired()) {
        looks_left_ = line_looks_left_ = 0;
      }
      const uint32_t item = waiting_.top().second;
      waiting_.pop();
      if (!PutIntoGap(item, line_, step % 3 == 0 ? Gap::kAny : Gap::kTightest)) Force(item);
    }
    const bool done = waiting_.empty();
    for (; !waiting_.empty(); waiting_.pop()) {
      PutIntoGap(waiting_.top().second, kAnyHeight, Gap::kLowest);
    }
    return done;
  }

 private:
  static double AreaOf(const Item& item) {
    return static_cast<double>(item.size) * static_cast<double>(item.last - item.first);
  }

  void TakeOut(uint32_t item) {
    out_[item] = true;
    waiting_.emplace(areas_[item], item);
  }

  void Look(size_t items) {
    looks_left_ -= std::min<uint64_t>(looks_left_, items);
    line_looks_left_ -= std::min<uint64_t>(line_looks_left_, items);
  }

  // Sets in_the_way_ to all that is placed in the item's life, in order of offset.
  void FindInTheWay(uint32_t index) {
    const Item& item = sections_.items[index];
    in_the_way_.clear();
    int64_t most = 0;
    neighbours_.ForEach(item.first, item.last, [&](uint32_t other) {
      if (out_[other] || other == index) return;
      const int64_t begin = (*offsets_)[other];
      in_the_way_.push_back({begin, begin + sections_.items[other].size, other});
      most = std::max(most, begin);
    });
    Look(in_the_way_.size() + 1);
    if (!in_the_way_.empty()) by_begin_(in_the_way_, most);
  }

  // Where the item fits between what is in the way and below `most`; -1 if nowhere.
  int64_t FindGap(const Item& item, int64_t most, Gap which) {
    int64_t free = 0, found = -1, tightest = kAnyHeight;
    uint64_t seen = 0;
    const auto consider = [&](int64_t end) {
      const int64_t offset = AlignUp(free, item.alignment), room = end - free;
      if (end - offset < item.size) return;
      ++seen;
      const bool take = which == Gap::kLowest     ? found < 0
                        : which == Gap::kTightest ? room < tightest
                                                  : Random() % seen == 0;
      if (take) found = offset, tightest = room;
    };
    for (const Taken& taken : in_the_way_) {
      if (taken.begin > free) consider(std::min(taken.begin, most));
      free = std::max(free, taken.end);
    }
    consider(most);
    return found;
  }

  bool PutIntoGap(uint32_t index, int64_t most, Gap which) {
    FindInTheWay(index);
    const int64_t offset = FindGap(sections_.items[index], most, which);
    if (offset < 0) return false;
    (*offsets_)[index] = offset;
    out_[index] = false;
    return true;
  }

  // The item finds no gap among in_the_way_.
  void Force(uint32_t index) {
    const Item& item = sections_.items[index];
    weights_[index] += areas_[index];
    const int64_t offset = CheapestPlace(item);
    (*offsets_)[index] = offset;
    out_[index] = false;
    std::vector<uint32_t> stay;
    for (const Taken& taken : in_the_way_) {
      if (taken.begin < offset + item.size && taken.end > offset) {
        TakeOut(taken.item);
      } else {
        stay.push_back(taken.item);
      }
    }
    Shake(stay, item);
  }

  // Where the weights of what is displaced are least. With two pointers: of those that begin before
  // the end of the place, and of those that end before it begins.
  int64_t CheapestPlace(const Item& item) {
    by_end_items_ = in_the_way_;
    by_end_(by_end_items_, line_);
    double least = std::numeric_limits<double>::infinity();
    int64_t place = 0;
    const auto sweep = [&](auto for_each_offset) {
      size_t begun = 0, ended = 0;
      double weight = 0;
      for_each_offset([&](int64_t offset) {
        for (; begun < in_the_way_.size() && in_the_way_[begun].begin < offset + item.size; ++begun)
          weight += weights_[in_the_way_[begun].item];
        for (; ended < by_end_items_.size() && by_end_items_[ended].end <= offset; ++ended)
          weight -= weights_[by_end_items_[ended].item];
        // Some noise, so that not the same few displace each other for ever.
        const double noisy = weight * (1 + 0.02 * static_cast<double>(Random() % 16));
        if (noisy < least) least = noisy, place = offset;
      });
    };
    const int64_t highest = (line_ - item.size) / item.alignment * item.alignment;
    sweep([&](auto try_offset) {
      try_offset(0);
      for (const Taken& taken : by_end_items_) {
        const int64_t offset = AlignUp(taken.end, item.alignment);
        if (offset > highest) break;
        try_offset(offset);
      }
    });
    sweep([&](auto try_offset) {
      for (const Taken& taken : in_the_way_) {
        const int64_t below = taken.begin - item.size;
        if (below >= 0) try_offset(below / item.alignment * item.alignment);
      }
      try_offset(highest);
    });
    return place;
  }

  // Moves one of them to another gap, so that gaps come together.
  void Shake(const std::vector<uint32_t>& items, const Item& around) {
    if (items.empty()) return;
    const uint32_t longest = 4 * std::min<uint32_t>(around.last - around.first, 1u << 20) + 16;
    const uint32_t index = items[Random() % items.size()];
    const Item& item = sections_.items[index];
    if (item.last - item.first <= longest) PutIntoGap(index, line_, Gap::kAny);
  }

  uint64_t Random() { return Mix64(++random_); }

  struct ByBegin {
    int64_t operator()(const Taken& taken) const { return taken.begin; }
  };
  struct ByEnd {
    int64_t operator()(const Taken& taken) const { return taken.end; }
  };

  const Sections& sections_;
  const SearchLimits& limits_;
  const Neighbours neighbours_;
  uint64_t looks_left_, line_looks_left_ = 0;
  int64_t line_ = 0;
  std::vector<int64_t>* offsets_ = nullptr;
  std::vector<bool> out_;                                     // by item: has no offset now
  std::priority_queue<std::pair<double, uint32_t>> waiting_;  // those out, by area
  std::vector<double> areas_, weights_;                       // by item
  std::vector<Taken> in_the_way_, by_end_items_;
  SpreadSort<ByBegin> by_begin_{ByBegin{}};
  SpreadSort<ByEnd> by_end_{ByEnd{}};
  uint64_t random_ = 0;
};

int64_t HeightOf(const Sections& sections, const std::vector<int64_t>& offsets) {
  int64_t height = 0;
  for (size_t i = 0; i < offsets.size(); ++i) {
    height = std::max(height, offsets[i] + sections.items[i].size);
  }
  return height;
}

}  // namespace

void LowerByEjection(const Sections& sections, int64_t enough, uint64_t most_looks,
                     const SearchLimits& limits, FitResult& best) {
  if (best.height <= enough || most_looks == 0 || limits.expired()) return;
  Ejection ejection(sections, most_looks, limits);
  std::vector<int64_t> offsets;
  for (int64_t low = enough; low < best.height && !ejection.over();) {
    const int64_t line = low + (best.height - low) / 2;
    offsets = best.offsets;
    const bool done = ejection.Lower(line, most_looks / kLines + 1, offsets);
    const int64_t height = HeightOf(sections, offsets);
    if (height < best.height) best = {offsets, height};
    if (!done) low = line + 1;
  }
}

}  // namespace tinyai
