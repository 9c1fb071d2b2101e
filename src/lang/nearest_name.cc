#include "lang/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace tinyai {
namespace {

constexpr size_t kLongestCompared = 128;

// Letters to insert, leave out or replace (Levenshtein 1966).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t corner = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = corner + (a[i] != b[j]);
      corner = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestName(std::string_view text, const std::vector<std::string_view>& known) {
  if (text.size() > kLongestCompared) return {};
  std::string_view best;
  size_t least = std::max<size_t>(2, text.size() / 4) + 1;
  for (const std::string_view name : known) {
    const size_t longer = std::max(name.size(), text.size());
    if (longer - std::min(name.size(), text.size()) >= least) continue;
    const size_t distance = Distance(text, name);
    if (distance >= least || distance >= longer) continue;
    least = distance;
    best = name;
  }
  return std::string(best);
}

}  // namespace tinyai
