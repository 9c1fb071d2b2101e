#include "solve/order_net.h"

#include <algorithm>
#include <numeric>
#include <queue>

namespace tinyai {
namespace {

void SortedOnce(Lists& lists) {
  std::sort(lists.items.begin() + lists.begin.back(), lists.items.end());
  lists.items.erase(std::unique(lists.items.begin() + lists.begin.back(), lists.items.end()),
                    lists.items.end());
  lists.Close();
}

// Which op makes each tensor; `none` if it is there from the start.
std::vector<uint32_t> Makers(const OrderProblem& problem) {
  std::vector<uint32_t> makers(problem.tensor_bytes.size(), UINT32_MAX);
  for (size_t op = 0; op < problem.ops.size(); ++op) {
    for (const uint32_t out : problem.ops[op].outs) makers[out] = static_cast<uint32_t>(op);
  }
  return makers;
}

}  // namespace

Lists Transposed(const Lists& lists, size_t values) {
  Lists out;
  out.begin.assign(values + 1, 0);
  for (const uint32_t item : lists.items) ++out.begin[item + 1];
  for (size_t i = 0; i < values; ++i) out.begin[i + 1] += out.begin[i];
  out.items.resize(lists.items.size());
  std::vector<uint32_t> next(out.begin.begin(), out.begin.end() - 1);
  for (size_t i = 0; i < lists.size(); ++i) {
    for (const uint32_t item : lists[i]) out.items[next[item]++] = static_cast<uint32_t>(i);
  }
  return out;
}

PlacedNet MakeOrderNet(const OrderProblem& problem) {
  const size_t count = problem.tensor_bytes.size();
  const std::vector<uint32_t> makers = Makers(problem);
  std::vector<uint32_t> pins(count, 0);
  std::vector<uint8_t> kept(count, 0);
  for (const uint32_t out : problem.outputs) kept[out] = 1;
  PlacedNet out;
  OrderNet& net = out.net;
  Lists touched;  // all tensors of an op
  for (const OrderProblem::Op& op : problem.ops) {
    for (const uint32_t in : op.ins) {
      if (makers[in] != UINT32_MAX) net.preds.items.push_back(makers[in]);
    }
    SortedOnce(net.preds);
    touched.items.insert(touched.items.end(), op.ins.begin(), op.ins.end());
    touched.items.insert(touched.items.end(), op.outs.begin(), op.outs.end());
    SortedOnce(touched);
    for (const uint32_t tensor : touched[touched.size() - 1]) ++pins[tensor];
    net.extra.push_back(static_cast<int64_t>(op.workspace_bytes));
  }
  constexpr uint32_t kLeftOut = UINT32_MAX;
  std::vector<uint32_t> ids(count, kLeftOut);
  for (size_t tensor = 0; tensor < count; ++tensor) {
    const auto bytes = static_cast<int64_t>(problem.tensor_bytes[tensor]);
    const bool born = makers[tensor] == UINT32_MAX;
    if (born && kept[tensor]) {
      out.base += bytes;
    } else if (!born && !kept[tensor] && pins[tensor] == 1) {
      net.extra[makers[tensor]] += bytes;
    } else if (bytes > 0 && pins[tensor] > 0) {
      ids[tensor] = static_cast<uint32_t>(net.bytes.size());
      net.bytes.push_back(bytes);
      net.born.push_back(born);
      net.kept.push_back(kept[tensor]);
    }
  }
  for (size_t op = 0; op < touched.size(); ++op) {
    for (const uint32_t tensor : touched[op]) {
      if (ids[tensor] != kLeftOut) net.tensors_of.items.push_back(ids[tensor]);
    }
    net.tensors_of.Close();
  }
  net.succs = Transposed(net.preds, net.ops());
  net.pins = Transposed(net.tensors_of, net.bytes.size());
  return out;
}

OrderNet Reversed(const OrderNet& net) {
  OrderNet out = net;
  std::swap(out.preds, out.succs);
  std::swap(out.born, out.kept);
  return out;
}

namespace {
constexpr uint32_t kUnseen = UINT32_MAX, kSpanning = UINT32_MAX - 1;
}  // namespace

NetCutter::NetCutter(const OrderNet& net)
    : net_(net), local_ops_(net.ops(), kUnseen), local_tensors_(net.bytes.size(), kUnseen) {}

uint32_t NetCutter::Place(uint32_t tensor, std::span<const uint8_t> before, OrderNet& to) const {
  bool born = net_.born[tensor] != 0, kept = net_.kept[tensor] != 0;
  for (const uint32_t pin : net_.pins[tensor]) {
    if (local_ops_[pin] == kUnseen) (before[pin] ? born : kept) = true;
  }
  if (born && kept) return kSpanning;
  to.bytes.push_back(net_.bytes[tensor]);
  to.born.push_back(born);
  to.kept.push_back(kept);
  return static_cast<uint32_t>(to.bytes.size() - 1);
}

OrderNet NetCutter::Part(std::span<const uint32_t> part, std::span<const uint8_t> before) {
  for (size_t i = 0; i < part.size(); ++i) local_ops_[part[i]] = static_cast<uint32_t>(i);
  OrderNet to;
  for (const uint32_t op : part) {
    for (const uint32_t tensor : net_.tensors_of[op]) {
      uint32_t& local = local_tensors_[tensor];
      if (local == kUnseen) local = Place(tensor, before, to);
      if (local != kSpanning) to.tensors_of.items.push_back(local);
    }
    to.tensors_of.Close();
    for (const uint32_t pred : net_.preds[op]) {
      if (local_ops_[pred] != kUnseen) to.preds.items.push_back(local_ops_[pred]);
    }
    to.preds.Close();
    to.extra.push_back(net_.extra[op]);
  }
  to.succs = Transposed(to.preds, to.ops());
  to.pins = Transposed(to.tensors_of, to.bytes.size());
  for (const uint32_t op : part) {
    local_ops_[op] = kUnseen;
    for (const uint32_t tensor : net_.tensors_of[op]) local_tensors_[tensor] = kUnseen;
  }
  return to;
}

namespace {

bool IsNumberedInOrder(const OrderNet& net) {
  for (uint32_t op = 0; op < net.ops(); ++op) {
    const auto preds = net.preds[op];
    if (std::any_of(preds.begin(), preds.end(), [&](uint32_t pred) { return pred > op; })) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<uint32_t> TopologicalOrder(const OrderNet& net) {
  if (IsNumberedInOrder(net)) {
    std::vector<uint32_t> order(net.ops());
    std::iota(order.begin(), order.end(), 0u);
    return order;
  }
  std::vector<uint32_t> missing(net.ops()), order;
  std::priority_queue<uint32_t, std::vector<uint32_t>, std::greater<>> ready;
  for (uint32_t op = 0; op < net.ops(); ++op) {
    missing[op] = static_cast<uint32_t>(net.preds[op].size());
    if (missing[op] == 0) ready.push(op);
  }
  order.reserve(net.ops());
  while (!ready.empty()) {
    const uint32_t op = ready.top();
    ready.pop();
    order.push_back(op);
    for (const uint32_t succ : net.succs[op]) {
      if (--missing[succ] == 0) ready.push(succ);
    }
  }
  return order;
}

OrderState::OrderState(const OrderNet& net)
    : net_(net), done_(net.ops(), 0), missing_(net.ops()), left_(net.bytes.size()) {
  for (size_t op = 0; op < net.ops(); ++op) {
    missing_[op] = static_cast<uint32_t>(net.preds[op].size());
  }
  for (size_t tensor = 0; tensor < net.bytes.size(); ++tensor) {
    left_[tensor] = static_cast<uint32_t>(net.pins[tensor].size());
    if (net.born[tensor]) level_ += net.bytes[tensor];
  }
}

OrderState::Step OrderState::Try(uint32_t op) const {
  int64_t born = 0, freed = 0;
  for (const uint32_t tensor : net_.tensors_of[op]) {
    if (!live(tensor)) born += net_.bytes[tensor];
    if (left_[tensor] == 1 && !net_.kept[tensor]) freed += net_.bytes[tensor];
  }
  return {born + net_.extra[op], born - freed};
}

void OrderState::Run(uint32_t op) {
  level_ += Try(op).net;
  done_[op] = 1;
  for (const uint32_t tensor : net_.tensors_of[op]) --left_[tensor];
  for (const uint32_t succ : net_.succs[op]) --missing_[succ];
}

void OrderState::Undo(uint32_t op) {
  done_[op] = 0;
  for (const uint32_t tensor : net_.tensors_of[op]) ++left_[tensor];
  for (const uint32_t succ : net_.succs[op]) ++missing_[succ];
  level_ -= Try(op).net;
}

int64_t PeakOf(const OrderNet& net, std::span<const uint32_t> order) {
  OrderState state(net);
  int64_t peak = state.level();
  for (const uint32_t op : order) {
    peak = std::max(peak, state.level() + state.Try(op).rise);
    state.Run(op);
  }
  return peak;
}

}  // namespace tinyai
