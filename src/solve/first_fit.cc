#include "solve/first_fit.h"

#include <algorithm>
#include <numeric>

#include "solve/occupancy.h"

namespace tinyai {
namespace {

using Item = Sections::Item;

template <typename Key>
std::vector<uint32_t> Descending(const Sections& sections, Key key) {
  std::vector<uint32_t> order(sections.items.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return key(sections.items[a]) > key(sections.items[b]);
  });
  return order;
}

std::vector<uint32_t> OrderOf(const Sections& sections, int which) {
  const auto width = [](const Item& item) { return item.last - item.first; };
  switch (which) {
    case 0:
      return Descending(sections,
                        [&](const Item& item) { return std::pair(item.size, width(item)); });
    case 1:
      return Descending(sections,
                        [&](const Item& item) { return std::pair(width(item), item.size); });
    default:
      return Descending(sections, [&](const Item& item) {
        return static_cast<double>(item.size) * static_cast<double>(width(item));
      });
  }
}

constexpr int kOrders = 3;

}  // namespace

FitResult FirstFit(const Sections& sections, const std::vector<uint32_t>& order) {
  FitResult out;
  out.offsets.resize(sections.items.size());
  Occupancy taken(sections.count);
  for (const uint32_t index : order) {
    const Item& item = sections.items[index];
    const int64_t offset = taken.LowestGap(item);
    taken.Add(item, offset);
    out.offsets[index] = offset;
    out.height = std::max(out.height, offset + item.size);
  }
  return out;
}

FitResult BestFirstFit(const Sections& sections, int64_t enough, const SearchLimits& limits) {
  FitResult best = FirstFit(sections, OrderOf(sections, 0));
  for (int which = 1; which < kOrders; ++which) {
    if (best.height <= enough || limits.expired()) break;
    FitResult next = FirstFit(sections, OrderOf(sections, which));
    if (next.height < best.height) best = std::move(next);
  }
  return best;
}

void ImproveFirstFit(const Sections& sections, int64_t enough, uint32_t rounds,
                     const SearchLimits& limits, FitResult& best) {
  for (int which = 0; which < kOrders; ++which) {
    std::vector<uint32_t> order = OrderOf(sections, which);
    for (uint32_t round = 0; round < rounds; ++round) {
      if (best.height <= enough || limits.expired()) return;
      FitResult next = FirstFit(sections, order);
      // Half way between what is wanted and what is there: what ends above is too late in the
      // order.
      const int64_t line = enough + (next.height - enough) / 2;
      std::vector<int64_t> place(order.size());
      for (size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<int64_t>(i);
      for (size_t i = 0; i < order.size(); ++i) {
        const bool late = next.offsets[i] + sections.items[i].size > line;
        if (late) place[i] -= static_cast<int64_t>(order.size()) / 4;
      }
      std::stable_sort(order.begin(), order.end(),
                       [&](uint32_t a, uint32_t b) { return place[a] < place[b]; });
      if (next.height < best.height) best = std::move(next);
    }
  }
}

}  // namespace tinyai
