#include "solve/order_greedy.h"

#include <algorithm>
#include <queue>

namespace tinyai {
namespace {

struct Entry {
  int64_t net;
  uint32_t made_ready;  // when: a count
  uint32_t op;

  bool operator<(const Entry& other) const {  // the best is the greatest
    if (net != other.net) return net > other.net;
    if (made_ready != other.made_ready) return made_ready < other.made_ready;
    return op > other.op;
  }
};

}  // namespace

std::vector<uint32_t> GreedyOrder(const OrderNet& net) {
  OrderState state(net);
  std::vector<uint32_t> made_ready(net.ops(), 0), order;
  std::priority_queue<Entry> queue;
  const auto offer = [&](uint32_t op) { queue.push({state.Try(op).net, made_ready[op], op}); };
  for (uint32_t op = 0; op < net.ops(); ++op) {
    if (state.ready(op)) offer(op);
  }
  order.reserve(net.ops());
  while (!queue.empty()) {
    const Entry best = queue.top();
    queue.pop();
    if (state.done(best.op)) continue;
    // Entries may be out of date: too high ones (what frees more by now has been offered again),
    // and too low ones.
    if (state.Try(best.op).net > best.net) {
      offer(best.op);
      continue;
    }
    state.Run(best.op);
    order.push_back(best.op);
    const auto count = static_cast<uint32_t>(order.size());
    for (const uint32_t succ : net.succs[best.op]) {
      if (!state.ready(succ)) continue;
      made_ready[succ] = count;
      offer(succ);
    }
    for (const uint32_t tensor : net.tensors_of[best.op]) {
      if (state.left(tensor) != 1) continue;
      for (const uint32_t pin : net.pins[tensor]) {
        if (state.ready(pin)) offer(pin);
      }
    }
  }
  return order;
}

}  // namespace tinyai
