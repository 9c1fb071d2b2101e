#include "solve/contract_syncs.h"

#include <algorithm>
#include <map>

namespace tinyai {
namespace {

// One set of nodes for each node.
class BitRows {
 public:
  explicit BitRows(uint32_t size) : words_((size_t{size} + 63) / 64), bits_(words_ * size) {}

  void Set(uint32_t row, uint32_t bit) { bits_[row * words_ + bit / 64] |= Bit(bit); }
  void Clear(uint32_t row, uint32_t bit) { bits_[row * words_ + bit / 64] &= ~Bit(bit); }
  bool Has(uint32_t row, uint32_t bit) const {
    return (bits_[row * words_ + bit / 64] & Bit(bit)) != 0;
  }
  void Join(uint32_t row, uint32_t other) {
    for (size_t i = 0; i < words_; ++i) bits_[row * words_ + i] |= bits_[other * words_ + i];
  }
  std::vector<uint32_t> Members(uint32_t row) const {
    std::vector<uint32_t> out;
    for (size_t i = 0; i < words_; ++i) {
      for (uint64_t word = bits_[row * words_ + i]; word != 0; word &= word - 1) {
        out.push_back(static_cast<uint32_t>(i * 64 + __builtin_ctzll(word)));
      }
    }
    return out;
  }

 private:
  static uint64_t Bit(uint32_t bit) { return uint64_t{1} << bit % 64; }
  size_t words_;
  std::vector<uint64_t> bits_;
};

SyncNet Renumber(const SyncNet& net, const std::vector<uint32_t>& order) {
  std::vector<uint32_t> number(net.size());
  for (uint32_t i = 0; i < order.size(); ++i) number[order[i]] = i;
  SyncNet out{net.places, std::vector<uint32_t>(net.size()), net.edges};
  for (uint32_t op = 0; op < net.size(); ++op) out.place[number[op]] = net.place[op];
  for (SyncNet::Edge& edge : out.edges) edge = {number[edge.from], number[edge.to]};
  return out;
}

SyncNet Reversed(const SyncNet& net) {
  SyncNet out = net;
  std::reverse(out.place.begin(), out.place.end());
  for (SyncNet::Edge& edge : out.edges) {
    edge = {net.size() - 1 - edge.to, net.size() - 1 - edge.from};
  }
  return out;
}

// For each op the latest ops of other places that have to be known before it can start. The ops are
// in topological order.
std::vector<std::vector<uint32_t>> FindNeeds(const SyncNet& net) {
  const OpLists predecessors = OpLists::Predecessors(net);
  BitRows before(net.size());  // ancestors
  BitRows needs(net.size());
  std::vector<std::vector<uint32_t>> out(net.size());
  for (uint32_t op = 0; op < net.size(); ++op) {
    for (const uint32_t p : predecessors.of(op)) {
      before.Join(op, p);
      before.Set(op, p);
      if (net.place[p] == net.place[op]) {
        needs.Join(op, p);
      } else {
        needs.Set(op, p);
      }
    }
    const std::vector<uint32_t> all = needs.Members(op);
    for (const uint32_t need : all) {
      const bool implied = std::any_of(all.begin(), all.end(),
                                       [&](uint32_t other) { return before.Has(other, need); });
      if (implied) {
        needs.Clear(op, need);
      } else {
        out[op].push_back(need);
      }
    }
  }
  return out;
}

// Ops of one place with the same needs become one. True if there were any.
bool MergeAlike(SyncNet& net) {
  const std::vector<std::vector<uint32_t>> needs = FindNeeds(net);
  std::map<std::pair<uint32_t, std::vector<uint32_t>>, uint32_t> nodes;
  SyncNet out{net.places, {}, {}};
  std::vector<uint32_t> node(net.size());
  for (uint32_t op = 0; op < net.size(); ++op) {
    const auto [at, added] = nodes.try_emplace({net.place[op], needs[op]}, out.size());
    if (added) out.place.push_back(net.place[op]);
    node[op] = at->second;
  }
  if (out.size() == net.size()) return false;
  for (const SyncNet::Edge& edge : net.edges) {
    if (node[edge.from] != node[edge.to]) out.edges.push_back({node[edge.from], node[edge.to]});
  }
  net = Renumber(out, TopologicalOrder(out));
  return true;
}

}  // namespace

ContractedNet Contract(const SyncNet& net) {
  SyncNet rest = Renumber(net, TopologicalOrder(net));
  for (bool merged = true; merged;) {  // what is alike looking back, and looking ahead
    merged = MergeAlike(rest);
    rest = Reversed(rest);
    merged |= MergeAlike(rest);
    rest = Reversed(rest);
  }
  return {rest.places, rest.place, FindNeeds(rest)};
}

}  // namespace tinyai
