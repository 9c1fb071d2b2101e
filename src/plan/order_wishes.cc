#include "plan/order_wishes.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace tinyai {
namespace {

// Ops are nodes 0 to n - 1; order i of the wishes is node n + i, between its two groups.
struct WishGraph {
  std::vector<std::vector<uint32_t>> next;
  std::vector<uint32_t> waits_for;  // by node: how many
  size_t ops = 0;

  void Add(size_t from, size_t to) {
    next[from].push_back(static_cast<uint32_t>(to));
    ++waits_for[to];
  }
};

WishGraph MakeWishGraph(const Graph& graph, const ModelWishes& wishes) {
  WishGraph out;
  out.ops = graph.ops.size();
  out.next.resize(out.ops + wishes.orders.size());
  out.waits_for.resize(out.next.size());
  const std::vector<std::vector<OpId>> needs = DataNeeds(graph);
  for (size_t op = 0; op < out.ops; ++op) {
    for (const OpId earlier : needs[op]) out.Add(Index(earlier), op);
  }
  for (size_t i = 0; i < wishes.orders.size(); ++i) {
    const ModelWishes::Order& order = wishes.orders[i];
    for (const OpId op : wishes.groups[order.first]) out.Add(Index(op), out.ops + i);
    for (const OpId op : wishes.groups[order.then]) out.Add(out.ops + i, Index(op));
  }
  return out;
}

// Visits the nodes in an order that holds, as long as there are some; `rank` by op.
std::vector<uint32_t> Sort(WishGraph& net, const std::vector<uint32_t>& rank) {
  using Entry = std::pair<uint32_t, uint32_t>;  // rank, node
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> ready;
  const auto put = [&](uint32_t node) { ready.emplace(node < net.ops ? rank[node] + 1 : 0, node); };
  for (uint32_t node = 0; node < net.next.size(); ++node) {
    if (net.waits_for[node] == 0) put(node);
  }
  std::vector<uint32_t> out;
  while (!ready.empty()) {
    const uint32_t node = ready.top().second;
    ready.pop();
    out.push_back(node);
    for (const uint32_t later : net.next[node]) {
      if (--net.waits_for[later] == 0) put(later);
    }
  }
  return out;
}

std::vector<uint32_t> OwnRank(size_t ops) {
  std::vector<uint32_t> rank(ops);
  std::iota(rank.begin(), rank.end(), 0u);
  return rank;
}

// The shortest way from `start` back to it among the nodes that are left; empty if there is none.
std::vector<uint32_t> WayBack(const WishGraph& net, const std::vector<bool>& left, uint32_t start) {
  constexpr uint32_t kNone = ~0u;
  std::vector<uint32_t> from(net.next.size(), kNone);
  std::vector<uint32_t> queue = {start};
  for (size_t at = 0; at < queue.size(); ++at) {
    for (const uint32_t later : net.next[queue[at]]) {
      if (!left[later] || from[later] != kNone) continue;
      from[later] = queue[at];
      if (later != start) {
        queue.push_back(later);
        continue;
      }
      std::vector<uint32_t> way = {start};
      for (uint32_t node = from[start]; node != start; node = from[node]) way.push_back(node);
      way.push_back(start);
      std::reverse(way.begin(), way.end());
      return way;
    }
  }
  return {};
}

// A node that stands for an order, on some cycle: who goes back from what is left to what it waits
// for, which is left too, comes round. Nothing if nothing is left.
std::optional<uint32_t> OrderOnACycle(const WishGraph& net, const std::vector<bool>& left) {
  std::vector<uint32_t> before(net.next.size());
  std::optional<uint32_t> at;
  for (uint32_t node = 0; node < net.next.size(); ++node) {
    if (!left[node]) continue;
    at = node;
    for (const uint32_t later : net.next[node]) before[later] = node;
  }
  if (!at) return std::nullopt;
  std::vector<bool> seen(net.next.size());
  while (!seen[*at] || *at < net.ops) {  // a cycle has an order in it: data flow has none
    seen[*at] = true;
    at = before[*at];
  }
  return at;
}

// From how many orders a way back is looked for: one gives a cycle, some more a short one.
constexpr size_t kMostStarts = 64;

}  // namespace

std::vector<std::vector<OpId>> DataNeeds(const Graph& graph) {
  std::vector<std::optional<OpId>> maker(graph.values.size());
  std::vector<std::optional<OpId>> stored(graph.attention.layers);
  std::vector<std::vector<OpId>> needs(graph.ops.size());
  std::vector<bool> of_logits(graph.ops.size());
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    if (op.out) maker[Index(*op.out)] = OpId(i);
    if (const auto* store = std::get_if<op::StoreKv>(&op.kind)) stored[store->layer] = OpId(i);
  }
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const Op& op = graph.ops[i];
    of_logits[i] = std::holds_alternative<op::TakeLast>(op.kind);
    for (const ValueId in : op.ins) {
      const std::optional<OpId> made = maker[Index(in)];
      if (!made) continue;
      needs[i].push_back(*made);
      if (of_logits[Index(*made)]) of_logits[i] = true;
    }
    const auto* attention = std::get_if<op::Attention>(&op.kind);
    if (attention != nullptr && stored[attention->layer]) {
      needs[i].push_back(*stored[attention->layer]);
    }
  }
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (!std::holds_alternative<op::TakeLast>(graph.ops[i].kind)) continue;
    for (size_t other = 0; other < graph.ops.size(); ++other) {
      if (!of_logits[other]) needs[i].push_back(OpId(other));
    }
  }
  return needs;
}

std::vector<OpId> OrderByWishes(const Graph& graph, const std::vector<OpId>& base,
                                const ModelWishes& wishes) {
  WishGraph net = MakeWishGraph(graph, wishes);
  std::vector<uint32_t> rank(graph.ops.size());
  for (uint32_t i = 0; i < base.size(); ++i) rank[Index(base[i])] = i;
  std::vector<OpId> out;
  for (const uint32_t node : Sort(net, rank)) {
    if (node < net.ops) out.push_back(OpId(node));
  }
  return out;
}

std::vector<CycleStep> FindCycle(const Graph& graph, const ModelWishes& wishes) {
  WishGraph net = MakeWishGraph(graph, wishes);
  std::vector<bool> left(net.next.size(), true);
  for (const uint32_t node : Sort(net, OwnRank(net.ops))) left[node] = false;
  const std::optional<uint32_t> on_cycle = OrderOnACycle(net, left);
  if (!on_cycle) return {};
  std::vector<uint32_t> best = WayBack(net, left, *on_cycle);
  size_t starts = 0;
  for (auto node = static_cast<uint32_t>(net.ops); node < net.next.size(); ++node) {
    if (!left[node] || ++starts > kMostStarts) continue;
    const std::vector<uint32_t> way = WayBack(net, left, node);
    if (!way.empty() && way.size() < best.size()) best = way;
  }
  best.pop_back();  // begins and ended with an order; now it is a ring
  std::vector<CycleStep> out;
  for (size_t i = 0; i < best.size(); ++i) {
    const uint32_t from = best[i], to = best[(i + 1) % best.size()];
    if (from < net.ops && to < net.ops) out.push_back({OpId(from), OpId(to), {}});
    if (from < net.ops) continue;
    const uint32_t before = best[(i + best.size() - 1) % best.size()];
    out.push_back({OpId(before), OpId(to), from - net.ops});
  }
  return out;
}

std::optional<OpId> FillGaps(const Graph& graph, const GappedRow& gaps, ModelWishes& wishes) {
  const size_t last = gaps.row.size();
  std::vector<std::optional<size_t>> place(graph.ops.size());  // in the row
  for (size_t i = 0; i < last; ++i) {
    for (const OpId op : wishes.groups[gaps.row[i]]) place[Index(op)] = i;
  }
  std::vector<size_t> open_from(last + 2, last + 1);  // the first open gap from here on
  for (size_t gap = last + 1; gap-- > 0;) {
    open_from[gap] = gaps.open[gap] ? gap : open_from[gap + 1];
  }
  const std::vector<std::vector<OpId>> needs = DataNeeds(graph);
  std::vector<size_t> gap_of(graph.ops.size());
  std::vector<std::vector<OpId>> in_gap(last + 1);
  WishGraph net = MakeWishGraph(graph, wishes);
  for (const uint32_t node : Sort(net, OwnRank(net.ops))) {
    if (node >= net.ops) continue;
    size_t least = 0;
    for (const OpId earlier : needs[node]) {
      const std::optional<size_t> listed = place[Index(earlier)];
      const size_t from = listed ? *listed + 1 : gap_of[Index(earlier)];
      if (place[node] && !listed && from > *place[node]) return earlier;
      least = std::max(least, from);
    }
    if (place[node]) continue;
    const bool elsewhere = !wishes.on_device.empty() && wishes.on_device[node];
    gap_of[node] = elsewhere ? std::min(least, last) : open_from[std::min(least, last + 1)];
    if (gap_of[node] > last) return OpId(node);
    in_gap[gap_of[node]].push_back(OpId(node));
  }
  for (size_t gap = 0; gap <= last; ++gap) {
    if (in_gap[gap].empty()) continue;
    const auto group = static_cast<uint32_t>(wishes.groups.size());
    wishes.groups.push_back(std::move(in_gap[gap]));
    if (gap > 0) wishes.orders.push_back({gaps.row[gap - 1], group});
    if (gap < last) wishes.orders.push_back({group, gaps.row[gap]});
  }
  return std::nullopt;
}

}  // namespace tinyai
