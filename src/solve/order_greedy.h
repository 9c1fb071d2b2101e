#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// An order in near linear time: of the ops that may run, the one that leaves the fewest bytes, then
// the one made possible last, so that what was begun is finished first.
std::vector<uint32_t> GreedyOrder(const OrderNet& net);

}  // namespace tinyai
