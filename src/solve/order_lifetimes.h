#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "solve/order_net.h"

// Other nets with the same ops, whose tensors have other pins, so that more of the net is modules.
// Ops are numbered in an order that may be executed.
namespace tinyai {

// The op through which all paths to each op lead, nearest to it; preds.size() if there is none.
// With successors for predecessors: through which all paths from it lead. `order` may be executed.
std::vector<uint32_t> NearestDominators(const Lists& preds, std::span<const uint32_t> order);

// With other pins; a tensor without any is left out.
OrderNet WithPins(const OrderNet& net, const std::vector<std::vector<uint32_t>>& pins);

// Without pins between which and both ends of the tensor's life there is always another: every
// order has the same peak as before.
OrderNet WithoutInnerPins(const OrderNet& net);

// Tensors with several readers live until an op that follows from all of them: no order has a lower
// peak than before. What lives throughout is left out.
OrderNet WithLongerLives(const OrderNet& net);

// Tensors with several readers live until the one that is the last in `order`, though others may
// come later: no order has a higher peak than before.
OrderNet WithShorterLives(const OrderNet& net, std::span<const uint32_t> order);

}  // namespace tinyai
