#include "solve/offsets.h"

#include <algorithm>
#include <array>

#include "base/checked.h"
#include "solve/ejection.h"
#include "solve/exact_packing.h"
#include "solve/first_fit.h"
#include "solve/fit_one_size.h"
#include "solve/sections.h"
#include "solve/tree_fit.h"

namespace tinyai {
namespace {

constexpr uint64_t kMostTotal = uint64_t{1} << 62;
// kNormal: what orders are improved by, what ejection and what exhaustive search cost, in items
// looked at. On a machine of 2020 that is about a second, and a few seconds each.
constexpr uint64_t kMostPlaced = 300'000;
constexpr uint64_t kMostEjected = 125'000'000;
// In items looked at too, each a tenth of the time that one of ejection takes.
constexpr uint64_t kMostLifted = 500'000'000;
constexpr uint64_t kMostSearched = 90'000'000;
constexpr uint32_t kMostRounds = 100;
// Of many items, so small a part of the height is not worth more time.
constexpr int64_t kLittle = 2'000;
// Up to so many items, kFast takes the best of several orders; more of them, the fewer there are.
constexpr size_t kFewForAllOrders = 2'000;
// More items of one size than these are placed by left edges at once, which is optimal and linear.
constexpr size_t kFewOfOneSize = 64;
constexpr size_t kPlacedByTrees = 50'000;
constexpr uint64_t kLooksOfTrees = 1'000;  // per item
constexpr uint64_t kEjectedFast = 100'000;
constexpr uint64_t kEjectedOfFew = 1'000;  // per item: what is left, exhaustive search does better

using Cut = TreeManner::Cut;
using First = TreeManner::First;
// The best ones first.
constexpr std::array kTrees = {
    TreeManner{Cut::kCrowded, First::kFar},   TreeManner{Cut::kCrowded, First::kLong},
    TreeManner{Cut::kCrowded, First::kArea},  TreeManner{Cut::kCrowded, First::kEarly},
    TreeManner{Cut::kMiddle, First::kLong},   TreeManner{Cut::kMiddle, First::kLarge},
    TreeManner{Cut::kCrowded, First::kLarge}, TreeManner{Cut::kMiddle, First::kArea},
};

// Those in which lifting gets furthest.
constexpr std::array kLifted = {
    TreeManner{Cut::kCrowded, First::kArea},
    TreeManner{Cut::kMiddle, First::kArea},
    TreeManner{Cut::kCrowded, First::kFar},
};

class Packer {
 public:
  Packer(const std::vector<Buffer>& buffers, const SearchLimits& limits)
      : buffers_(buffers), limits_(limits), sections_(MakeSections(buffers)) {
    low_ = MostAlive(sections_);
  }

  // Greedy, then improved until it is within `enough` units; if not `exactly`, within little more.
  void Place(int64_t enough, bool exactly) {
    enough = std::max(enough, low_);
    const size_t count = sections_.items.size();
    const bool fast = limits_.effort == Effort::kFast, few = count <= kFewForAllOrders;
    const bool one_size = HasOneSize(sections_);
    const bool tries = few && !(one_size && count > kFewOfOneSize);
    if (tries) best_ = BestFirstFit(sections_, enough, limits_);
    const bool there = !best_.offsets.empty() && best_.height <= enough;
    if (!there && one_size) {
      best_ = FitOneSize(sections_);
      return;
    }
    PlaceByTrees(enough, fast && !few ? kPlacedByTrees / count : kTrees.size());
    // Trees find none where very many are alive at a time.
    if (!few && best_.offsets.empty()) best_ = BestFirstFit(sections_, enough, limits_);
    if (few && !fast) {
      const uint64_t rounds = kMostPlaced / std::max<size_t>(1, count);
      ImproveFirstFit(sections_, enough,
                      static_cast<uint32_t>(std::clamp<uint64_t>(rounds, 1, kMostRounds)), limits_,
                      best_);
    }
    const bool near = !exactly && !few && limits_.effort == Effort::kNormal;
    if (near) enough += enough / kLittle;
    if (!few && !fast) {
      uint64_t looks = kMostLifted;
      for (const TreeManner manner : kLifted) {
        if (looks > 0) ImproveTreeFit(sections_, manner, enough, looks, limits_, best_);
      }
    }
    LowerByEjection(sections_, enough, MostEjected(), limits_, best_);
  }

  // Tries up to `most` trees, at least one if there is nothing yet.
  void PlaceByTrees(int64_t enough, size_t most) {
    for (size_t i = 0; i < kTrees.size() && (i < most || best_.offsets.empty()); ++i) {
      if (!best_.offsets.empty() && (best_.height <= enough || limits_.expired())) return;
      std::optional<FitResult> fit =
          TreeFit(sections_, kTrees[i], kLooksOfTrees * sections_.items.size() + 1);
      if (!fit) return;
      if (best_.offsets.empty() || fit->height < best_.height) best_ = *std::move(fit);
    }
  }

  uint64_t MostEjected() const {
    const size_t count = sections_.items.size();
    if (limits_.effort == Effort::kFast) return count <= kPlacedByTrees ? kEjectedFast : 0;
    if (count <= kFewForAllOrders) return kEjectedOfFew * count;
    return limits_.effort == Effort::kExact ? 10 * kMostEjected : kMostEjected;
  }

  bool CanSearch() const {
    return limits_.effort != Effort::kFast && sections_.items.size() <= kMostExactItems;
  }

  // Halves the distance between bound and height as long as the search finds out; where it gives up
  // it goes on in the upper half. Gives each of these more time, until they meet.
  void Minimise() {
    uint64_t left = SearchBudget();
    if (left == 0 || low_ >= best_.height) return;
    // The bound itself is often reached, and then all else is wasted.
    Search(low_, left / 4 * 3, left);
    for (uint64_t each = left / 64 + 1; low_ < best_.height && left > 0; each *= 4) {
      for (int64_t from = low_; from < best_.height && left > 0;) {
        const int64_t target = from + (best_.height - from) / 2;
        const Packed packed = Search(target, each, left);
        if (packed != Packed::kYes) from = std::max(low_, target + 1);
      }
    }
  }

  Packed Search(int64_t capacity, uint64_t most_looks, uint64_t& left) {
    LookBudget budget{limits_, std::min(most_looks, left)};
    const uint64_t given = budget.left;
    std::vector<int64_t> offsets;
    const Packed packed = PackExactly(sections_, capacity, budget, offsets);
    left -= given - budget.left;
    if (limits_.expired()) left = 0;
    if (packed == Packed::kImpossible) low_ = std::max(low_, capacity + 1);
    if (packed == Packed::kYes) Take(std::move(offsets));
    return packed;
  }

  uint64_t SearchBudget() const {
    if (!CanSearch()) return 0;
    if (limits_.effort == Effort::kExact) return uint64_t{1} << 62;
    return kMostSearched;
  }

  Packing Answer() const {
    Packing out;
    out.offsets.assign(buffers_.size(), 0);
    for (size_t i = 0; i < sections_.items.size(); ++i) {
      out.offsets[sections_.items[i].buffer] =
          static_cast<uint64_t>(best_.offsets[i]) * sections_.unit;
    }
    out.height = static_cast<uint64_t>(best_.height) * sections_.unit;
    out.lower_bound = static_cast<uint64_t>(low_) * sections_.unit;
    return out;
  }

  const Sections& sections() const { return sections_; }
  int64_t low() const { return low_; }
  int64_t height() const { return best_.height; }

 private:
  void Take(std::vector<int64_t> offsets) {
    FitResult found{std::move(offsets), 0};
    for (size_t i = 0; i < sections_.items.size(); ++i) {
      found.height = std::max(found.height, found.offsets[i] + sections_.items[i].size);
    }
    if (found.height < best_.height) best_ = std::move(found);
  }

  const std::vector<Buffer>& buffers_;
  const SearchLimits& limits_;
  const Sections sections_;
  int64_t low_ = 0;  // no packing is lower
  FitResult best_;
};

}  // namespace

bool CanBePacked(const std::vector<Buffer>& buffers) {
  uint64_t total = 0;
  for (const Buffer& buffer : buffers) {
    const std::optional<uint64_t> size = CheckedAdd(buffer.bytes, buffer.alignment);
    const std::optional<uint64_t> sum = size ? CheckedAdd(total, *size) : std::nullopt;
    if (!sum || *sum >= kMostTotal) return false;
    total = *sum;
  }
  return true;
}

uint64_t MostBytesAlive(const std::vector<Buffer>& buffers) {
  const Sections sections = MakeSections(buffers);
  return static_cast<uint64_t>(MostAlive(sections)) * sections.unit;
}

Packing PackBuffers(const std::vector<Buffer>& buffers, const SearchLimits& limits) {
  Packer packer(buffers, limits);
  packer.Place(0, false);
  packer.Minimise();
  return packer.Answer();
}

CapacityAnswer PackWithin(const std::vector<Buffer>& buffers, uint64_t capacity,
                          const SearchLimits& limits) {
  Packer packer(buffers, limits);
  const auto units = static_cast<int64_t>(std::min(capacity, kMostTotal) / packer.sections().unit);
  packer.Place(units, true);
  uint64_t left = packer.SearchBudget();
  if (packer.low() <= units && packer.height() > units && left > 0) {
    packer.Search(units, left, left);
  }
  return {packer.Answer(), packer.height() <= units, packer.low() > units};
}

}  // namespace tinyai
