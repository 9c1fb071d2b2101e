#include "solve/order_cut.h"

#include <algorithm>
#include <limits>

namespace tinyai {
namespace {

constexpr int64_t kUnbounded = std::numeric_limits<int64_t>::max() / 4;

// Dinic's algorithm, depth first without recursion.
class Flow {
 public:
  explicit Flow(size_t nodes) : first_(nodes, kNone), level_(nodes), next_(nodes) {}

  void Join(uint32_t from, uint32_t to, int64_t capacity) {
    Add(from, to, capacity);
    Add(to, from, 0);
  }

  // Flags of the nodes on the side of `source`.
  std::vector<uint8_t> Cut(uint32_t source, uint32_t sink) {
    while (Reach(source), level_[sink] != kNone) {
      next_ = first_;
      while (Push(source, sink)) {
      }
    }
    std::vector<uint8_t> side(level_.size());
    for (size_t i = 0; i < side.size(); ++i) side[i] = level_[i] != kNone;
    return side;
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Edge {
    uint32_t to, next;
    int64_t room;
  };

  void Add(uint32_t from, uint32_t to, int64_t capacity) {
    edges_.push_back({to, first_[from], capacity});
    first_[from] = static_cast<uint32_t>(edges_.size() - 1);
  }

  void Reach(uint32_t source) {
    std::fill(level_.begin(), level_.end(), kNone);
    std::vector<uint32_t> queue{source};
    level_[source] = 0;
    for (size_t i = 0; i < queue.size(); ++i) {
      for (uint32_t e = first_[queue[i]]; e != kNone; e = edges_[e].next) {
        if (edges_[e].room == 0 || level_[edges_[e].to] != kNone) continue;
        level_[edges_[e].to] = level_[queue[i]] + 1;
        queue.push_back(edges_[e].to);
      }
    }
  }

  // One more path along the levels, as much as it takes.
  bool Push(uint32_t source, uint32_t sink) {
    std::vector<uint32_t> path;  // edges
    uint32_t at = source;
    while (at != sink) {
      uint32_t& e = next_[at];
      while (e != kNone && (edges_[e].room == 0 || level_[edges_[e].to] != level_[at] + 1)) {
        e = edges_[e].next;
      }
      if (e != kNone) {
        path.push_back(e);
        at = edges_[e].to;
      } else {
        if (path.empty()) return false;
        at = edges_[path.back() ^ 1].to;
        path.pop_back();
        next_[at] = edges_[next_[at]].next;
      }
    }
    int64_t room = kUnbounded;
    for (const uint32_t e : path) room = std::min(room, edges_[e].room);
    for (const uint32_t e : path) {
      edges_[e].room -= room;
      edges_[e ^ 1].room += room;
    }
    return true;
  }

  std::vector<uint32_t> first_, level_, next_;
  std::vector<Edge> edges_;
};

}  // namespace

std::vector<uint8_t> LeastCut(const OrderNet& net) {
  // Nodes: ops, then two for each tensor with its bytes between them, source, sink. An op on the
  // side of the source has run.
  const auto ops = static_cast<uint32_t>(net.ops());
  const auto tensors = static_cast<uint32_t>(net.bytes.size());
  const uint32_t source = ops + 2 * tensors, sink = source + 1;
  Flow flow(sink + 1);
  for (uint32_t op = 0; op < ops; ++op) {
    for (const uint32_t pred : net.preds[op]) flow.Join(op, pred, kUnbounded);
  }
  for (uint32_t tensor = 0; tensor < tensors; ++tensor) {
    const uint32_t in = ops + 2 * tensor, out = in + 1;
    flow.Join(in, out, net.bytes[tensor]);
    for (const uint32_t pin : net.pins[tensor]) {
      flow.Join(pin, in, kUnbounded);
      flow.Join(out, pin, kUnbounded);
    }
    if (net.born[tensor]) flow.Join(source, in, kUnbounded);
    if (net.kept[tensor]) flow.Join(out, sink, kUnbounded);
  }
  std::vector<uint8_t> side = flow.Cut(source, sink);
  side.resize(ops);
  return side;
}

}  // namespace tinyai
