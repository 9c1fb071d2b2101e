#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "solve/order.h"

// What the searches for an order work on. A tensor is a set of ops, its pins: it lives while some
// but not all of them have run, and while one of them runs. So the bytes that live after a set of
// ops are the weight of a cut, a submodular function of the set, and reading the net backwards
// gives a net.
namespace tinyai {

// Lists of numbers, one after the other.
struct Lists {
  std::vector<uint32_t> begin{0}, items;

  size_t size() const { return begin.size() - 1; }
  std::span<const uint32_t> operator[](size_t i) const {
    return std::span(items).subspan(begin[i], begin[i + 1] - begin[i]);
  }
  void Close() { begin.push_back(static_cast<uint32_t>(items.size())); }
};

// For lists of numbers below `values`: in which lists each is, ascending.
Lists Transposed(const Lists& lists, size_t values);

struct OrderNet {
  Lists preds, succs;          // of ops, each once
  Lists tensors_of;            // of an op: the tensors that it is a pin of
  Lists pins;                  // of a tensor: at least one op
  std::vector<int64_t> bytes;  // of a tensor, > 0
  std::vector<uint8_t> born,
      kept;                    // of a tensor: lives before any pin; lives after all; never both
  std::vector<int64_t> extra;  // of an op: what lives only while it runs

  size_t ops() const { return extra.size(); }
};

// Bytes of tensors that live throughout are left out of the net and added to `base`.
struct PlacedNet {
  OrderNet net;
  int64_t base = 0;
};

PlacedNet MakeOrderNet(const OrderProblem& problem);

// The same, backwards: an order of one read from its end is an order of the other, with equal peak.
OrderNet Reversed(const OrderNet& net);

// Cuts parts out of a net, each in time linear in the part.
class NetCutter {
 public:
  explicit NetCutter(const OrderNet& net);  // `net` outlives this object

  // The ops of `part` alone, numbered as there, after all of `before` (a flag for each op) have run
  // and before any other. Of ops related by the order, `part` has what lies between.
  OrderNet Part(std::span<const uint32_t> part, std::span<const uint8_t> before);

 private:
  // The number of a tensor in the part, or that it has none there.
  uint32_t Place(uint32_t tensor, std::span<const uint8_t> before, OrderNet& to) const;

  const OrderNet& net_;
  std::vector<uint32_t> local_ops_, local_tensors_;
};

// Some order that may be executed: as numbered wherever possible.
std::vector<uint32_t> TopologicalOrder(const OrderNet& net);

// A set of ops that have run, and the bytes that live after them.
class OrderState {
 public:
  explicit OrderState(const OrderNet& net);

  int64_t level() const { return level_; }
  bool done(uint32_t op) const { return done_[op] != 0; }
  bool ready(uint32_t op) const { return done_[op] == 0 && missing_[op] == 0; }
  // Pins of a tensor that have not run.
  uint32_t left(uint32_t tensor) const { return left_[tensor]; }
  bool live(uint32_t tensor) const {
    return left_[tensor] > 0 ? net_.born[tensor] || left_[tensor] < net_.pins[tensor].size()
                             : net_.kept[tensor] != 0;
  }

  struct Step {
    int64_t rise;  // bytes that live while it runs, above the level before
    int64_t net;   // the level after, above the level before
  };
  Step Try(uint32_t op) const;
  // `op` is ready.
  void Run(uint32_t op);
  // `op` was the last to run.
  void Undo(uint32_t op);

 private:
  const OrderNet& net_;
  std::vector<uint8_t> done_;
  std::vector<uint32_t> missing_, left_;
  int64_t level_ = 0;
};

// The most bytes that live at once in an order of all ops.
int64_t PeakOf(const OrderNet& net, std::span<const uint32_t> order);

}  // namespace tinyai
