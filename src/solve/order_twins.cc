#include "solve/order_twins.h"

#include <algorithm>
#include <array>
#include <map>

namespace tinyai {
namespace {

// What is told of a tensor: who else touches it, and its bytes, or its number if it is shared.
enum Sharing : int64_t { kOwn, kWithFollower, kWithLeader, kShared };

std::array<int64_t, 3> Described(const OrderNet& net, uint32_t op, uint32_t tensor) {
  const auto pins = net.pins[tensor];
  const int64_t ends = 2 * net.born[tensor] + net.kept[tensor];
  if (pins.size() == 1) return {kOwn, net.bytes[tensor], ends};
  const uint32_t other = pins[0] == op ? pins[1] : pins[0];
  const auto only = [&](std::span<const uint32_t> ops) {
    return ops.size() == 1 && ops[0] == other;
  };
  if (pins.size() == 2 && only(net.succs[op])) return {kWithFollower, net.bytes[tensor], ends};
  if (pins.size() == 2 && only(net.preds[op])) return {kWithLeader, net.bytes[tensor], ends};
  return {kShared, tensor, 0};
}

}  // namespace

std::vector<uint32_t> TwinClasses(const OrderNet& net) {
  std::vector<uint32_t> classes(net.ops());
  std::map<std::vector<int64_t>, uint32_t> known;
  const std::vector<uint32_t> order = TopologicalOrder(net);
  for (size_t i = order.size(); i-- > 0;) {
    const uint32_t op = order[i];
    const auto succs = net.succs[op];
    std::vector<int64_t> key{net.extra[op], static_cast<int64_t>(succs.size())};
    if (succs.size() > 1) {
      key.push_back(op);  // a class of its own
    } else if (succs.size() == 1) {
      const bool goes_on = net.preds[succs[0]].size() == 1;
      key.push_back(goes_on);
      key.push_back(goes_on ? classes[succs[0]] : succs[0]);
    }
    std::vector<std::array<int64_t, 3>> tensors;
    for (const uint32_t tensor : net.tensors_of[op]) tensors.push_back(Described(net, op, tensor));
    std::sort(tensors.begin(), tensors.end());
    for (const auto& tensor : tensors) key.insert(key.end(), tensor.begin(), tensor.end());
    classes[op] =
        known.try_emplace(std::move(key), static_cast<uint32_t>(known.size())).first->second;
  }
  return classes;
}

}  // namespace tinyai
