#pragma once

#include <cstdint>
#include <vector>

#include "solve/order_descent.h"
#include "solve/order_net.h"

namespace tinyai {

struct PieceAnswer {
  std::vector<uint32_t> order;
  int64_t peak = 0;   // within the net
  int64_t bound = 0;  // no order has a lower peak, unless it is below the floor
  bool best = false;  // a best order (see OrderModule) if there is no floor; else of least peak
};

// Several orders made in near linear time; the best of them. Ops are numbered in an order that may
// be executed, which is one of them.
PieceAnswer QuickOrder(const OrderNet& net);

// The whole machinery: modules, least cuts, descents; what is too hard for the budget is ordered
// quickly. Peaks up to `floor` are all the same. Ops are numbered in an order that may be executed.
PieceAnswer SolvePiece(const OrderNet& net, int64_t floor, OrderBudget& budget);

}  // namespace tinyai
