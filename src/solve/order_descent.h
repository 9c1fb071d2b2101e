#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_net.h"
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

struct DescentResult {
  bool proved;                  // else the budget ended
  int64_t peak;                 // the least that does, or at least a lower bound of it
  std::vector<uint32_t> order;  // all ops, if proved
};

// An order of least peak, where peaks up to `floor` are all the same. The net has its least cut at
// its end: no set of ops leaves fewer bytes than all of them. `floor` is at least the level of the
// start. Gives up after `most_states`, and where the budget ends.
//
// For a given peak, from any state: a set D of ops that leaves no more bytes than there were, none
// of whose parts leaves fewer, and that can be run within the peak, may be run at once. By
// submodularity whatever could be done without D can be done after it. So states that can be left
// in this way need no second look; and a minimal D is connected, so parts of the net that share
// nothing are searched apart. Where the end is the least cut, a state that cannot be left is a
// proof that the peak is too small. On trees this finds the segments of J. Liu, "An application of
// generalized tree pebbling to sparse matrix factorization", 1987.
DescentResult LeastPeakDescent(const OrderNet& net, int64_t floor, uint64_t most_states,
                               OrderBudget& budget);

}  // namespace tinyai
