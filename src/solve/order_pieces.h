#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// Where each piece begins in `order`, a topological one: pieces run one after the other whatever
// the order. An op that all others lead to or follow from is a piece of its own; what lies between
// two such ops is one. Linear. Ends with order.size().
std::vector<size_t> ForcedPieces(const OrderNet& net, const std::vector<uint32_t>& order);

// Equal for parts that are the same problem up to the numbers of the ops: all that a search sees.
std::vector<int64_t> SignatureOf(const OrderNet& net);

}  // namespace tinyai
