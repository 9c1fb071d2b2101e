#include "solve/neighbours.h"

#include <numeric>

namespace tinyai {
namespace {

constexpr size_t kLeastStride = 16;

// In sections. At most two marks per item on average.
size_t StrideOf(const Sections& sections) {
  size_t stride = kLeastStride;
  for (; stride < sections.count; stride *= 2) {
    size_t marks = 0;
    for (const Sections::Item& item : sections.items) {
      marks += (item.last - 1) / stride - item.first / stride;
    }
    if (marks <= 2 * sections.items.size()) break;
  }
  return stride;
}

}  // namespace

Neighbours::Neighbours(const Sections& sections)
    : sections_(sections), stride_(StrideOf(sections)), by_first_(sections.items.size()) {
  const std::vector<Sections::Item>& items = sections.items;
  begun_before_.assign(size_t{sections.count} + 1, 0);
  for (const Sections::Item& item : items) ++begun_before_[item.first + 1];
  std::partial_sum(begun_before_.begin(), begun_before_.end(), begun_before_.begin());
  std::vector<size_t> next = begun_before_;
  for (uint32_t i = 0; i < items.size(); ++i) by_first_[next[items[i].first]++] = i;

  const auto for_each_mark = [&](const Sections::Item& item, auto visit) {
    for (size_t mark = item.first / stride_ + 1; mark <= (item.last - 1) / stride_; ++mark) {
      visit(mark);
    }
  };
  mark_starts_.assign(sections.count / stride_ + 2, 0);
  for (const Sections::Item& item : items) {
    for_each_mark(item, [&](size_t mark) { ++mark_starts_[mark + 1]; });
  }
  std::partial_sum(mark_starts_.begin(), mark_starts_.end(), mark_starts_.begin());
  alive_at_marks_.resize(mark_starts_.back());
  next = mark_starts_;
  for (uint32_t i = 0; i < items.size(); ++i) {
    for_each_mark(items[i], [&](size_t mark) { alive_at_marks_[next[mark]++] = i; });
  }
}

}  // namespace tinyai
