#include "solve/order_pieces.h"

#include <algorithm>

namespace tinyai {

std::vector<size_t> ForcedPieces(const OrderNet& net, const std::vector<uint32_t>& order) {
  const size_t count = order.size();
  std::vector<size_t> rank(count);
  for (size_t i = 0; i < count; ++i) rank[order[i]] = i;
  // All before i lead to it if each has a successor no later than i, and so on to i itself; all
  // after i follow from it if each has a predecessor no earlier than i.
  std::vector<size_t> latest(count + 1, 0), earliest(count + 1, count);
  for (size_t i = 0; i < count; ++i) {
    size_t first = count;
    for (const uint32_t succ : net.succs[order[i]]) first = std::min(first, rank[succ]);
    latest[i + 1] = std::max(latest[i], first);
  }
  for (size_t i = count; i-- > 0;) {
    size_t last = 0;
    bool any = false;
    for (const uint32_t pred : net.preds[order[i]]) last = std::max(last, rank[pred]), any = true;
    // Without predecessors nothing before it may be such an op; -1 is told apart by `forced` below.
    earliest[i] = any ? std::min(earliest[i + 1], last + 1) : 0;
  }
  std::vector<size_t> begins;
  bool open = false;  // a piece of several ops has begun
  for (size_t i = 0; i < count; ++i) {
    const bool forced = latest[i] <= i && earliest[i + 1] >= i + 1;
    if (forced || !open) begins.push_back(i);
    open = !forced;
  }
  begins.push_back(count);
  return begins;
}

std::vector<int64_t> SignatureOf(const OrderNet& net) {
  std::vector<int64_t> out{static_cast<int64_t>(net.ops()), static_cast<int64_t>(net.bytes.size())};
  const auto add = [&out](const Lists& lists) {
    for (size_t i = 0; i < lists.size(); ++i) {
      out.push_back(static_cast<int64_t>(lists[i].size()));
      out.insert(out.end(), lists[i].begin(), lists[i].end());
    }
  };
  out.insert(out.end(), net.extra.begin(), net.extra.end());
  out.insert(out.end(), net.bytes.begin(), net.bytes.end());
  out.insert(out.end(), net.born.begin(), net.born.end());
  out.insert(out.end(), net.kept.begin(), net.kept.end());
  add(net.preds);
  add(net.tensors_of);
  return out;
}

}  // namespace tinyai
