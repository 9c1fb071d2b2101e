#include "solve/order_shared.h"

#include <algorithm>
#include <limits>
#include <span>

#include "solve/order_lifetimes.h"
#include "solve/order_tree.h"

namespace tinyai {
namespace {

using Ops = std::vector<uint32_t>;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 4;
// Of each op: as many others could be looked at by a search.
constexpr uint64_t kWorkOfTrying = 2;

// The only tensor that lives from the start and has several readers.
std::optional<uint32_t> SharedTensor(const OrderNet& net) {
  std::optional<uint32_t> shared;
  for (uint32_t tensor = 0; tensor < net.bytes.size(); ++tensor) {
    if (!net.born[tensor] || net.pins[tensor].size() < 2) continue;
    if (shared || net.kept[tensor]) return std::nullopt;
    shared = tensor;
  }
  return shared;
}

OrderNet Without(const OrderNet& net, uint32_t shared) {
  std::vector<Ops> pins;
  for (uint32_t tensor = 0; tensor < net.bytes.size(); ++tensor) {
    const auto old = net.pins[tensor];
    pins.emplace_back(old.begin(), tensor == shared ? old.begin() : old.end());
  }
  return WithPins(net, pins);
}

// Whether ops run before the end of the shared tensor.
enum class When : uint8_t { kEither, kBefore, kAfter };

// A closed set of ops, and the bytes of the tree that live after it.
struct Cut {
  std::vector<uint8_t> inside;
  std::vector<uint8_t> before;  // those that have to be inside
  std::vector<int64_t> least;   // by op: what lives after it of its subtree
  int64_t level = 0;
};

class SharedTree {
 public:
  // `tree`: a net without its shared tensor, of so many bytes.
  SharedTree(const OrderNet& tree, std::span<const uint32_t> readers, int64_t shared_bytes,
             int64_t room, uint64_t most_tries, OrderBudget& budget)
      : tree_(tree),
        order_(TopologicalOrder(tree)),
        shared_bytes_(shared_bytes),
        room_(room),
        most_tries_(most_tries),
        budget_(budget),
        start_(OrderState(tree).level()),
        when_(tree.ops(), When::kEither),
        cutter_(tree),
        easier_(tree) {
    for (const uint32_t reader : readers) when_[reader] = When::kBefore;
  }

  // While the shared tensor lives: as in the tree, of which this is a best order.
  WayDown WhileItLives(const Ops& best) const {
    OrderState state(tree_);
    WayDown out;
    for (const uint32_t op : best) {
      out.need = std::max(out.need, state.level() + state.Try(op).rise - start_);
      out.run.push_back(op);
      state.Run(op);
      if (state.level() > start_) continue;
      if (out.need > room_) out.run.clear();
      return out;
    }
    return {{}, kNever};
  }

  // By its end. Nothing is known (0) if that takes too long to find out.
  WayDown ByItsEnd() {
    last_ = LeastCut();
    way_ = {{}, kNever};
    if (last_.level - shared_bytes_ <= start_) Try();
    if (gave_up() && way_.run.empty()) way_.need = 0;
    return std::move(way_);
  }

 private:
  bool gave_up() const { return tried_ > most_tries_ || budget_.over(); }

  // The least cut behind what has to run before, without what is put off: a minimum over each
  // subtree, from its leaves on.
  Cut LeastCut() const {
    std::vector<uint8_t> after(tree_.ops(), 0);
    Cut out{after, after, std::vector<int64_t>(tree_.ops(), 0), 0};
    for (size_t i = order_.size(); i-- > 0;) {
      const auto succs = tree_.succs[order_[i]];
      const bool next = !succs.empty() && out.before[succs[0]];
      out.before[order_[i]] = next || when_[order_[i]] == When::kBefore;
    }
    for (const uint32_t op : order_) {
      int64_t in = 0, made = 0;
      after[op] = when_[op] == When::kAfter;
      for (const uint32_t pred : tree_.preds[op]) {
        in += out.least[pred];
        after[op] |= after[pred];
      }
      for (const uint32_t tensor : tree_.tensors_of[op]) {
        if (tree_.born[tensor]) in += tree_.bytes[tensor];
        if (IsResult(tensor, op)) made += tree_.bytes[tensor];
      }
      out.inside[op] = out.before[op] || (!after[op] && made < in);
      out.least[op] = out.inside[op] ? made : in;
      if (tree_.succs[op].empty()) out.level += out.least[op];
    }
    for (size_t i = order_.size(); i-- > 0;) {
      const auto succs = tree_.succs[order_[i]];
      if (!succs.empty() && out.inside[succs[0]]) out.inside[order_[i]] = 1;
    }
    return out;
  }
  // Whether it lives on after `op`.
  bool IsResult(uint32_t tensor, uint32_t op) const {
    if (tree_.kept[tensor]) return true;
    const auto pins = tree_.pins[tensor];
    const auto succs = tree_.succs[op];
    return !succs.empty() && std::find(pins.begin(), pins.end(), succs[0]) != pins.end();
  }

  // Whether there is a way through the least cut, or one in which more is put off.
  bool Try() {
    if (gave_up()) return false;
    ++tried_;
    budget_.Work(kWorkOfTrying * tree_.ops());
    const Cut cut = LeastCut();
    EaseEnds(cut);
    if (const int64_t least = PeakOf(easier_, *TreeOrder(easier_)); least > start_ + room_) {
      Need(least);
      return false;
    }
    Ops run;
    OrderState state(tree_);
    const Ops before = BestOrder(cut.inside, std::vector<uint8_t>(tree_.ops(), 0));
    if (const Ops stuck = Follow(before, 0, state, run); !stuck.empty()) {
      return PutOff(before, stuck.back());
    }
    std::vector<uint8_t> rest = last_.inside;
    for (uint32_t op = 0; op < rest.size(); ++op) rest[op] &= !cut.inside[op];
    const Ops after = BestOrder(rest, cut.inside);
    const OrderState at_end = state;
    if (const Ops stuck = Follow(after, shared_bytes_, state, run); !stuck.empty()) {
      return BringForward(after, stuck.front(), at_end);
    }
    way_.run = std::move(run);
    return true;
  }

  // Into easier_: the tree in which what may be put off takes no room for itself, and leaves the
  // least.
  void EaseEnds(const Cut& cut) {
    OrderNet& out = easier_;
    out.bytes = tree_.bytes;
    out.extra = tree_.extra;
    for (uint32_t op = 0; op < tree_.ops(); ++op) {
      if (cut.before[op]) continue;
      int64_t left = cut.least[op];
      out.extra[op] = -left;
      for (const uint32_t tensor : tree_.tensors_of[op]) {
        if (!IsResult(tensor, op)) continue;
        out.bytes[tensor] = left;
        left = 0;
      }
      out.extra[op] += left;  // of an op without a result
    }
  }

  // Some ops, after others: a best order, since they are a tree too.
  Ops BestOrder(const std::vector<uint8_t>& some, const std::vector<uint8_t>& before) {
    Ops ops;
    for (uint32_t op = 0; op < some.size(); ++op) {
      if (some[op]) ops.push_back(op);
    }
    Ops order = *TreeOrder(cutter_.Part(ops, before));
    for (uint32_t& op : order) op = ops[op];
    return order;
  }

  // Runs `order`, `less` bytes below the tree's level. Where there is too little room.
  Ops Follow(const Ops& order, int64_t less, OrderState& state, Ops& run) const {
    Ops stuck;
    for (uint32_t at = 0; at < order.size(); ++at) {
      const int64_t rise = state.level() - less + state.Try(order[at]).rise - start_;
      if (rise > room_) stuck.push_back(at);
      state.Run(order[at]);
      run.push_back(order[at]);
    }
    return stuck;
  }

  // Of `order` up to the first level behind `stuck` that is as low as all later ones, one end after
  // the other is put off; those before it are not.
  bool PutOff(const Ops& order, size_t stuck) {
    OrderState state(tree_);
    std::vector<int64_t> level;
    for (size_t at = 0; at < order.size(); ++at) {
      if (at == stuck) Need(state.level() + state.Try(order[at]).rise);
      state.Run(order[at]);
      level.push_back(state.level());
    }
    size_t end = order.size() - 1;
    for (size_t at = order.size(); at-- > stuck;) {
      if (level[at] <= level[end]) end = at;
    }
    std::vector<uint8_t> early(tree_.ops(), 0);
    for (size_t at = 0; at <= end; ++at) early[order[at]] = 1;
    return TryEach(Ends(early), When::kAfter, When::kBefore);
  }

  // Behind the lowest level of `order` up to where it is stuck, what is ready is run before the end
  // of the shared tensor after all: one after the other, those before it are not.
  bool BringForward(const Ops& order, size_t stuck, OrderState state) {
    std::vector<int64_t> level = {state.level()};
    for (size_t at = 0; at < stuck; ++at) {
      state.Run(order[at]);
      level.push_back(state.level());
    }
    Need(state.level() - shared_bytes_ + state.Try(order[stuck]).rise);
    size_t low = 0;
    for (size_t at = 0; at < level.size(); ++at) {
      if (level[at] <= level[low]) low = at;
    }
    for (size_t at = stuck; at-- > low;) state.Undo(order[at]);
    Ops ready;
    for (size_t at = low; at < order.size(); ++at) {
      if (state.ready(order[at])) ready.push_back(order[at]);
    }
    return TryEach(ready, When::kBefore, When::kAfter);
  }
  // That the tree reaches this level, were there more room.
  void Need(int64_t level) { way_.need = std::min(way_.need, level - start_); }

  // Ops after which none of these comes.
  Ops Ends(const std::vector<uint8_t>& some) const {
    Ops ends;
    for (uint32_t op = 0; op < some.size(); ++op) {
      const auto succs = tree_.succs[op];
      if (some[op] && (succs.empty() || !some[succs[0]])) ends.push_back(op);
    }
    return ends;
  }

  // One after the other, with those before it the other way.
  bool TryEach(const Ops& ops, When when, When otherwise) {
    const std::vector<When> old = when_;
    bool found = false;
    for (size_t i = 0; i < ops.size() && !found && !gave_up(); ++i) {
      if (when_[ops[i]] != When::kEither) continue;
      when_[ops[i]] = when;
      found = Try();
      when_[ops[i]] = otherwise;
    }
    when_ = old;
    return found;
  }

  const OrderNet& tree_;
  const Ops order_;  // one that may be executed
  const int64_t shared_bytes_, room_;
  const uint64_t most_tries_;
  OrderBudget& budget_;
  const int64_t start_;
  std::vector<When> when_;  // by op
  NetCutter cutter_;
  OrderNet easier_;  // of the cut that is tried
  Cut last_;         // the least one behind the readers
  WayDown way_;
  uint64_t tried_ = 0;
};

}  // namespace

std::optional<WayDown> FindWayDown(const OrderNet& net, int64_t room, uint64_t most_tries,
                                   OrderBudget& budget) {
  const std::optional<uint32_t> shared = SharedTensor(net);
  if (!shared) return std::nullopt;
  const OrderNet tree = Without(net, *shared);
  const std::optional<Ops> best = TreeOrder(tree);
  if (!best) return std::nullopt;
  SharedTree both(tree, net.pins[*shared], net.bytes[*shared], room, most_tries, budget);
  WayDown lives = both.WhileItLives(*best);
  if (!lives.run.empty()) return lives;
  WayDown ends = both.ByItsEnd();
  ends.need = std::min(ends.need, lives.need);
  return ends;
}

}  // namespace tinyai
