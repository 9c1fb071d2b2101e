#include "solve/sync_net.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>

namespace tinyai {

template <typename Key, typename Item>
OpLists::OpLists(const SyncNet& net, Key key, Item item)
    : begin_(size_t{net.size()} + 1), items_(net.edges.size()) {
  for (const SyncNet::Edge& edge : net.edges) ++begin_[key(edge)];
  uint32_t sum = 0;
  for (uint32_t& begin : begin_) begin = sum += begin;
  for (size_t i = net.edges.size(); i > 0; --i) {
    items_[--begin_[key(net.edges[i - 1])]] = item(net.edges[i - 1]);
  }
}

OpLists OpLists::Predecessors(const SyncNet& net) {
  return OpLists(
      net, [](const SyncNet::Edge& edge) { return edge.to; },
      [](const SyncNet::Edge& edge) { return edge.from; });
}
OpLists OpLists::Successors(const SyncNet& net) {
  return OpLists(
      net, [](const SyncNet::Edge& edge) { return edge.from; },
      [](const SyncNet::Edge& edge) { return edge.to; });
}

std::vector<uint32_t> TopologicalOrder(const SyncNet& net) {
  if (std::all_of(net.edges.begin(), net.edges.end(),
                  [](const SyncNet::Edge& edge) { return edge.from < edge.to; })) {
    std::vector<uint32_t> order(net.size());
    std::iota(order.begin(), order.end(), 0u);
    return order;
  }
  const OpLists successors = OpLists::Successors(net);
  std::vector<uint32_t> missing(net.size());
  for (const SyncNet::Edge& edge : net.edges) ++missing[edge.to];
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t op = 0; op < net.size(); ++op) {
    if (missing[op] == 0) ready.push(op);
  }
  std::vector<uint32_t> order;
  order.reserve(net.size());
  while (!ready.empty()) {
    const uint32_t op = ready.top();
    ready.pop();
    order.push_back(op);
    for (const uint32_t next : successors.of(op)) {
      if (--missing[next] == 0) ready.push(next);
    }
  }
  return order;
}

std::vector<uint32_t> FindCycle(const SyncNet& net) {
  const std::vector<uint32_t> order = TopologicalOrder(net);
  if (order.size() == net.size()) return {};
  std::vector<bool> ordered(net.size());
  for (const uint32_t op : order) ordered[op] = true;
  // Each op left has a predecessor that is left too: going back must come to an op again.
  const OpLists predecessors = OpLists::Predecessors(net);
  uint32_t op = 0;
  while (ordered[op]) ++op;
  std::vector<uint32_t> path;
  std::vector<bool> seen(net.size());
  while (!seen[op]) {
    seen[op] = true;
    path.push_back(op);
    const auto before = predecessors.of(op);
    op = *std::find_if(before.begin(), before.end(), [&](uint32_t p) { return !ordered[p]; });
  }
  path.erase(path.begin(), std::find(path.begin(), path.end(), op));
  std::reverse(path.begin(), path.end());
  return path;
}

uint32_t SyncSchedule::CountOf(SyncCommand::Kind kind) const {
  uint32_t count = 0;
  for (const std::vector<SyncCommand>& queue : queues) {
    for (const SyncCommand& command : queue) count += command.kind == kind;
  }
  return count;
}

}  // namespace tinyai
