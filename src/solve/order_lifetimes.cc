#include "solve/order_lifetimes.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

// Which ops lie on all paths to an op, or from it.
class DominatorTree {
 public:
  DominatorTree(const Lists& preds, bool backward) : root_(static_cast<uint32_t>(preds.size())) {
    Ops order(preds.size());
    std::iota(order.begin(), order.end(), 0);
    if (backward) std::reverse(order.begin(), order.end());
    nearest_ = NearestDominators(preds, order);
    depth_.assign(preds.size() + 1, 0);
    for (const uint32_t op : order) depth_[op] = depth_[nearest_[op]] + 1;
  }

  uint32_t root() const { return root_; }
  uint32_t Common(uint32_t a, uint32_t b) const {
    while (a != b) {
      uint32_t& deeper = depth_[a] >= depth_[b] ? a : b;
      deeper = nearest_[deeper];
    }
    return a;
  }
  bool Dominates(uint32_t a, uint32_t b) const { return a != b && Common(a, b) == a; }

 private:
  uint32_t root_;
  Ops nearest_, depth_;
};

// A larger tensor takes long to go through.
constexpr size_t kMostPinsCompared = 64;

}  // namespace

OrderNet WithPins(const OrderNet& net, const std::vector<Ops>& pins) {
  OrderNet out;
  out.preds = net.preds;
  out.succs = net.succs;
  out.extra = net.extra;
  for (size_t tensor = 0; tensor < pins.size(); ++tensor) {
    if (pins[tensor].empty()) continue;
    if (pins[tensor].size() == 1 && !net.born[tensor] && !net.kept[tensor]) {
      out.extra[pins[tensor][0]] += net.bytes[tensor];
      continue;
    }
    out.bytes.push_back(net.bytes[tensor]);
    out.born.push_back(net.born[tensor]);
    out.kept.push_back(net.kept[tensor]);
    out.pins.items.insert(out.pins.items.end(), pins[tensor].begin(), pins[tensor].end());
    out.pins.Close();
  }
  out.tensors_of = Transposed(out.pins, net.ops());
  return out;
}

std::vector<uint32_t> NearestDominators(const Lists& preds, std::span<const uint32_t> order) {
  const auto root = static_cast<uint32_t>(preds.size());
  Ops nearest(preds.size(), root), depth(preds.size() + 1, 0);
  for (const uint32_t op : order) {
    uint32_t common = preds[op].empty() ? root : preds[op][0];
    for (uint32_t other : preds[op]) {
      while (common != other) {
        uint32_t& deeper = depth[common] >= depth[other] ? common : other;
        deeper = nearest[deeper];
      }
    }
    nearest[op] = common;
    depth[op] = depth[common] + 1;
  }
  return nearest;
}

OrderNet WithoutInnerPins(const OrderNet& net) {
  const DominatorTree before(net.preds, false), after(net.succs, true);
  std::vector<Ops> pins(net.bytes.size());
  for (size_t tensor = 0; tensor < pins.size(); ++tensor) {
    const auto old = net.pins[tensor];
    const auto any = [&](const DominatorTree& tree, uint32_t pin) {
      return std::any_of(old.begin(), old.end(),
                         [&](uint32_t other) { return tree.Dominates(other, pin); });
    };
    for (const uint32_t pin : old) {
      const bool inner = old.size() <= kMostPinsCompared &&
                         (net.born[tensor] || any(before, pin)) &&
                         (net.kept[tensor] || any(after, pin));
      if (!inner) pins[tensor].push_back(pin);
    }
  }
  return WithPins(net, pins);
}

OrderNet WithLongerLives(const OrderNet& net) {
  const DominatorTree after(net.succs, true);
  std::vector<Ops> pins(net.bytes.size());
  for (size_t tensor = 0; tensor < pins.size(); ++tensor) {
    const auto old = net.pins[tensor];
    const size_t makers = net.born[tensor] ? 0 : 1;  // the first pin makes it
    pins[tensor].assign(old.begin(), old.end());
    if (net.kept[tensor] || old.size() < makers + 2) continue;
    uint32_t last = old[makers];
    for (const uint32_t pin : old) {
      if (makers == 0 || pin != old[0]) last = after.Common(last, pin);
    }
    pins[tensor].resize(makers);
    if (last != after.root()) {
      pins[tensor].push_back(last);
    } else {
      pins[tensor].clear();  // the caller looks at the true peak of what comes out
    }
  }
  return WithPins(net, pins);
}

OrderNet WithShorterLives(const OrderNet& net, std::span<const uint32_t> order) {
  Ops rank(net.ops());
  for (size_t i = 0; i < order.size(); ++i) rank[order[i]] = static_cast<uint32_t>(i);
  std::vector<Ops> pins(net.bytes.size());
  for (size_t tensor = 0; tensor < pins.size(); ++tensor) {
    const auto old = net.pins[tensor];
    const size_t makers = net.born[tensor] ? 0 : 1;
    pins[tensor].assign(old.begin(), old.end());
    if (net.kept[tensor] || old.size() < makers + 2) continue;
    const uint32_t last = *std::max_element(
        old.begin(), old.end(), [&](uint32_t a, uint32_t b) { return rank[a] < rank[b]; });
    pins[tensor].resize(makers);
    pins[tensor].push_back(last);
  }
  return WithPins(net, pins);
}

}  // namespace tinyai
