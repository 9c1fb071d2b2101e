#pragma once

#include <cstdint>

#include "solve/search_limits.h"

namespace tinyai {

// What is left of a search's time, shared by all its parts.
class OrderBudget {
 public:
  // `most_work`: ops looked at, over all states.
  OrderBudget(const SearchLimits& limits, uint64_t most_work)
      : limits_(limits), most_work_(most_work) {}

  // Counts a state; false from the moment on that the budget is over.
  bool Spend() {
    ++states_;
    return !over_;
  }
  void Work(uint64_t ops) {
    constexpr uint64_t kBetweenLooks = 1 << 14;  // at the clock: about a millisecond
    const uint64_t looks = work_ / kBetweenLooks;
    work_ += ops;
    if (work_ > most_work_ || (work_ / kBetweenLooks != looks && limits_.expired())) over_ = true;
  }
  bool over() const { return over_; }
  uint64_t states() const { return states_; }

 private:
  SearchLimits limits_;
  uint64_t most_work_, work_ = 0, states_ = 0;
  bool over_ = false;
};

}  // namespace tinyai
