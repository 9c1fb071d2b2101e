#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "solve/order_net.h"

namespace tinyai {

// A part of a net that only its `entry` leads into and only its `exit` leads out of, and that
// shares no tensor with other ops than these. It may be ordered by itself: of all its orders there
// is one that does as well as any other whatever else runs in between. (For trees J. Liu, 1987; the
// reason is the same as for descents, and holds for any such part.)
struct OrderModule {
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t entry = kNone, exit = kNone;  // kNone: nothing leads in, or out
  std::vector<uint32_t> ops;             // ascending, at least two
};

// Disjoint modules, each as large as possible but not the whole. Ops of `net` are numbered in an
// order that may be executed.
std::vector<OrderModule> FindModules(const OrderNet& net);

// A net in which each op stands for several of another, which run one after the other.
struct ReducedNet {
  OrderNet net;
  std::vector<std::vector<uint32_t>> groups;

  std::vector<uint32_t> Expand(std::span<const uint32_t> order) const;
};

// Makes a chain of each module: orders[i] is a best order of modules[i]. What lies between two
// lowest levels of it becomes one op.
ReducedNet Reduce(const OrderNet& net, const std::vector<OrderModule>& modules,
                  const std::vector<std::vector<uint32_t>>& orders);

}  // namespace tinyai
