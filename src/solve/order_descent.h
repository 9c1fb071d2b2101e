#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_budget.h"
#include "solve/order_net.h"

namespace tinyai {

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
