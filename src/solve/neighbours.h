#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "solve/sections.h"

namespace tinyai {

// Which items share a section with given ones: items in order of their first section, and at every
// stride-th section those that are alive there already. Takes O(n) memory; a question costs what it
// answers and what begins or is alive within a stride before.
class Neighbours {
 public:
  explicit Neighbours(const Sections& sections);

  // Calls `visit` with every item that lives in a section of [first, last), in no special order.
  template <typename Visit>
  void ForEach(uint32_t first, uint32_t last, Visit visit) const {
    const size_t mark = first / stride_;
    for (size_t i = mark_starts_[mark]; i < mark_starts_[mark + 1]; ++i) {
      if (sections_.items[alive_at_marks_[i]].last > first) visit(alive_at_marks_[i]);
    }
    for (size_t i = begun_before_[mark * stride_]; i < begun_before_[last]; ++i) {
      if (sections_.items[by_first_[i]].last > first) visit(by_first_[i]);
    }
  }

 private:
  const Sections& sections_;
  size_t stride_;
  std::vector<uint32_t> by_first_;
  std::vector<size_t> begun_before_;  // by section
  std::vector<uint32_t> alive_at_marks_;
  std::vector<size_t> mark_starts_;  // index into alive_at_marks_, by section / stride
};

}  // namespace tinyai
