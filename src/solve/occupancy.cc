#include "solve/occupancy.h"

#include <algorithm>
#include <bit>

namespace tinyai {

Occupancy::Occupancy(uint32_t sections)
    : leaves_(std::bit_ceil(std::max(1u, sections))), nodes_(2 * size_t{leaves_}) {}

void Occupancy::Insert(Ranges& ranges, Range range) {
  const auto first = std::partition_point(
      ranges.begin(), ranges.end(), [&](const Range& other) { return other.end < range.begin; });
  auto last = first;
  while (last != ranges.end() && last->begin <= range.end) {
    range.begin = std::min(range.begin, last->begin);
    range.end = std::max(range.end, last->end);
    ++last;
  }
  if (first == last) {
    ranges.insert(first, range);
  } else {
    *first = range;
    ranges.erase(first + 1, last);
  }
}

template <typename Cover, typename Above>
void Occupancy::Visit(const Sections::Item& item, Cover cover, Above above) {
  size_t low = item.first + size_t{leaves_}, high = item.last + size_t{leaves_};
  size_t left = low, right = high - 1;
  for (; low < high; low >>= 1, high >>= 1) {
    if (low & 1) cover(nodes_[low++]);
    if (high & 1) cover(nodes_[--high]);
  }
  // Those around the first and the last section, less those that lie within the item's life.
  const auto partly = [&](size_t node, int level) {
    const size_t begin = (node << level) - leaves_, end = begin + (size_t{1} << level);
    if (begin < item.first || end > item.last) above(nodes_[node]);
  };
  for (int level = 1; (left >>= 1) > 0; ++level) {
    right >>= 1;
    partly(left, level);
    if (right != left) partly(right, level);
  }
}

int64_t Occupancy::LowestGap(const Sections::Item& item) {
  asked_.clear();
  Visit(
      item, [&](Node& node) { asked_.push_back(&node.somewhere); },
      [&](Node& node) { asked_.push_back(&node.all_through); });
  std::erase_if(asked_, [](const Ranges* ranges) { return ranges->empty(); });
  int64_t offset = 0;
  for (size_t quiet = 0, i = 0; quiet < asked_.size(); i = (i + 1) % asked_.size()) {
    const Ranges& ranges = *asked_[i];
    auto in_the_way = std::partition_point(ranges.begin(), ranges.end(),
                                           [&](const Range& range) { return range.end <= offset; });
    ++quiet;
    for (; in_the_way != ranges.end() && in_the_way->begin < offset + item.size; ++in_the_way) {
      offset = (in_the_way->end + item.alignment - 1) / item.alignment * item.alignment;
      quiet = 1;
    }
  }
  return offset;
}

void Occupancy::Add(const Sections::Item& item, int64_t offset) {
  const Range range{offset, offset + item.size};
  Visit(
      item,
      [&](Node& node) {
        Insert(node.all_through, range);
        Insert(node.somewhere, range);
      },
      [&](Node& node) { Insert(node.somewhere, range); });
}

}  // namespace tinyai
