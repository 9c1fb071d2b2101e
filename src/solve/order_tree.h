#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// A best order (see OrderModule) of a net in which each op has at most one successor, and each
// tensor is only between an op and its successor; nothing if the net is another. By merging the
// stretches of subtrees, from the leaves on: J. Liu, "An application of generalized tree pebbling
// to sparse matrix factorization", 1987. Not recursive; n log n where stretches are few.
std::optional<std::vector<uint32_t>> TreeOrder(const OrderNet& net);

}  // namespace tinyai
