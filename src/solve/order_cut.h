#pragma once

#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// A set of ops, closed under predecessors, after which the fewest bytes live: a flag for each op.
// An order of least peak passes through it, since the bytes are submodular: with any order, what of
// it is inside and then what is outside never needs more. (The use of a minimum cut for this is
// from E. Kayaaslan et al., "Scheduling series-parallel task graphs to minimize peak memory",
// 2018.)
std::vector<uint8_t> LeastCut(const OrderNet& net);

}  // namespace tinyai
