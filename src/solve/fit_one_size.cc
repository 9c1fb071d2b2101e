#include "solve/fit_one_size.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

using Item = Sections::Item;

// The items by one of their sections; counting sort.
template <typename SectionOf>
std::vector<uint32_t> BySection(const Sections& sections, SectionOf section_of) {
  std::vector<uint32_t> next(size_t{sections.count} + 2, 0);
  for (const Item& item : sections.items) ++next[section_of(item) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<uint32_t> out(sections.items.size());
  for (uint32_t i = 0; i < out.size(); ++i) out[next[section_of(sections.items[i])]++] = i;
  return out;
}

}  // namespace

bool HasOneSize(const Sections& sections) {
  if (sections.items.empty()) return false;
  const int64_t size = sections.items[0].size;
  return std::all_of(sections.items.begin(), sections.items.end(), [&](const Item& item) {
    return item.size == size && size % item.alignment == 0;
  });
}

FitResult FitOneSize(const Sections& sections) {
  FitResult out;
  out.offsets.resize(sections.items.size());
  const std::vector<uint32_t> births = BySection(sections, [](const Item& i) { return i.first; });
  const std::vector<uint32_t> deaths = BySection(sections, [](const Item& i) { return i.last; });
  std::vector<int64_t> given_up;
  size_t dead = 0;
  for (const uint32_t born : births) {
    const Item& item = sections.items[born];
    for (; sections.items[deaths[dead]].last <= item.first; ++dead) {
      given_up.push_back(out.offsets[deaths[dead]]);
    }
    if (given_up.empty()) {
      out.offsets[born] = out.height;
      out.height += item.size;
    } else {
      out.offsets[born] = given_up.back();
      given_up.pop_back();
    }
  }
  return out;
}

}  // namespace tinyai
