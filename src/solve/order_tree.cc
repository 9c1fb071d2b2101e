#include "solve/order_tree.h"

#include <algorithm>
#include <tuple>

namespace tinyai {
namespace {

constexpr uint32_t kNone = UINT32_MAX;

bool IsTree(const OrderNet& net) {
  for (size_t op = 0; op < net.ops(); ++op) {
    if (net.succs[op].size() > 1) return false;
  }
  for (size_t tensor = 0; tensor < net.bytes.size(); ++tensor) {
    const auto pins = net.pins[tensor];
    if (pins.size() == 1) continue;
    if (pins.size() > 2 || net.born[tensor] || net.kept[tensor]) return false;
    const auto follows = [&](uint32_t a, uint32_t b) {
      return !net.succs[a].empty() && net.succs[a][0] == b;
    };
    if (!follows(pins[0], pins[1]) && !follows(pins[1], pins[0])) return false;
  }
  return true;
}

// Ops that run one after the other: a list from `first` to `last`.
struct Stretch {
  int64_t rise, net;
  uint32_t first, last;

  // In an order of least peak: first what leads down, the lowest hill first, then what leads up,
  // the one that comes down the most from its hill first (the former backwards).
  std::pair<bool, int64_t> Key() const {
    return net <= 0 ? std::pair(false, rise) : std::pair(true, net - rise);
  }
};

class TreeMerger {
 public:
  explicit TreeMerger(const OrderNet& net) : net_(net), of_(net.ops()), next_(net.ops(), kNone) {}

  std::vector<uint32_t> Merge() {
    std::vector<Stretch> all;
    for (const uint32_t op : TopologicalOrder(net_)) {
      std::vector<Stretch> merged;
      for (const uint32_t pred : net_.preds[op]) Take(of_[pred], merged);
      Append(Alone(op), merged);
      if (net_.succs[op].empty()) {
        Take(merged, all);
      } else {
        of_[op] = std::move(merged);
      }
    }
    std::vector<uint32_t> order;
    for (const Stretch& stretch : all) {
      for (uint32_t op = stretch.first; op != kNone; op = next_[op]) order.push_back(op);
    }
    return order;
  }

 private:
  Stretch Alone(uint32_t op) const {
    int64_t made = 0, freed = 0;
    for (const uint32_t tensor : net_.tensors_of[op]) {
      // A tensor has another op, or lives from the start or to the end.
      const auto pins = net_.pins[tensor];
      const uint32_t other = pins[0] == op ? pins.back() : pins[0];
      const bool is_out = net_.kept[tensor] ||
                          (other != op && !net_.succs[op].empty() && net_.succs[op][0] == other);
      (is_out ? made : freed) += net_.bytes[tensor];
    }
    return {made + net_.extra[op], made - freed, op, op};
  }

  static void Take(std::vector<Stretch>& from, std::vector<Stretch>& to) {
    if (from.size() > to.size()) std::swap(from, to);
    if (from.empty()) return;  // the only operand, mostly
    const auto middle = static_cast<std::ptrdiff_t>(to.size());
    to.insert(to.end(), from.begin(), from.end());
    std::inplace_merge(to.begin(), to.begin() + middle, to.end(),
                       [](const Stretch& a, const Stretch& b) { return a.Key() < b.Key(); });
    from = {};
  }

  // Puts what has to come last there; what would come later by its key becomes one with it.
  void Append(Stretch last, std::vector<Stretch>& to) {
    while (!to.empty() && to.back().Key() >= last.Key()) {
      const Stretch& before = to.back();
      next_[before.last] = last.first;
      last = {std::max(before.rise, before.net + last.rise), before.net + last.net, before.first,
              last.last};
      to.pop_back();
    }
    to.push_back(last);
  }

  const OrderNet& net_;
  std::vector<std::vector<Stretch>> of_;  // of the subtree that ends in an op
  std::vector<uint32_t> next_;
};

}  // namespace

std::optional<std::vector<uint32_t>> TreeOrder(const OrderNet& net) {
  if (!IsTree(net)) return std::nullopt;
  return TreeMerger(net).Merge();
}

}  // namespace tinyai
