#include "solve/branch_orders.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace tinyai {
namespace {

struct Traits {
  double crowd;     // the most units alive in one of its sections
  double width;     // sections
  double duration;  // in the time of the buffers
  double size;

  double area() const { return width * size; }
  double timed_area() const { return duration * size; }
};

std::vector<Traits> TraitsOf(const Sections& sections) {
  std::vector<int64_t> alive(sections.count, 0);
  for (const Sections::Item& item : sections.items) {
    for (uint32_t s = item.first; s < item.last; ++s) alive[s] += item.size;
  }
  std::vector<Traits> out;
  for (const Sections::Item& item : sections.items) {
    const int64_t crowd = *std::max_element(alive.begin() + item.first, alive.begin() + item.last);
    out.push_back({static_cast<double>(crowd), static_cast<double>(item.last - item.first),
                   static_cast<double>(item.duration), static_cast<double>(item.size)});
  }
  return out;
}

// The first that differs counts.
using Keys = std::array<double, 3>;

template <typename KeysOf>
std::vector<uint32_t> RanksBy(const std::vector<Traits>& traits, KeysOf keys_of) {
  std::vector<uint32_t> sorted(traits.size()), ranks(traits.size());
  std::iota(sorted.begin(), sorted.end(), 0u);
  std::stable_sort(sorted.begin(), sorted.end(), [&](uint32_t a, uint32_t b) {
    return Keys(keys_of(traits[a])) > Keys(keys_of(traits[b]));
  });
  for (uint32_t rank = 0; rank < sorted.size(); ++rank) ranks[sorted[rank]] = rank;
  return ranks;
}

}  // namespace

std::vector<std::vector<uint32_t>> BranchOrders(const Sections& sections) {
  const std::vector<Traits> all = TraitsOf(sections);
  return {
      RanksBy(all,
              [](const Traits& t) {
                return Keys{t.timed_area(), t.duration, t.crowd};
              }),
      RanksBy(all,
              [](const Traits& t) {
                return Keys{t.width, t.area(), t.crowd};
              }),
      RanksBy(all,
              [](const Traits& t) {
                return Keys{t.duration, t.timed_area(), t.crowd};
              }),
      RanksBy(all,
              [](const Traits& t) {
                return Keys{t.crowd, t.timed_area(), t.duration};
              }),
      RanksBy(all,
              [](const Traits& t) {
                return Keys{t.crowd, t.area(), t.width};
              }),
  };
}

}  // namespace tinyai
