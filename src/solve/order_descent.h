#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_net.h"
#include "solve/search_limits.h"

namespace tinyai {

// What is left of a search's time, shared by all its parts.
class OrderBudget {
 public:
  OrderBudget(const SearchLimits& limits, uint64_t most_states)
      : limits_(limits), most_states_(most_states) {}

  // Takes one state; false from the moment on that there are none left, or no time.
  bool Spend() {
    if (over_) return false;
    over_ = ++states_ > most_states_ || (states_ % 256 == 0 && limits_.expired());
    return !over_;
  }
  bool over() const { return over_; }
  uint64_t states() const { return states_; }
  // Allows `more` states from now on.
  void Renew(uint64_t more) {
    most_states_ = states_ + more;
    over_ = limits_.expired();
  }

 private:
  const SearchLimits& limits_;
  uint64_t most_states_, states_ = 0;
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
