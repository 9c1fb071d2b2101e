#include "solve/order_descent.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "solve/order_cut.h"
#include "solve/order_shared.h"
#include "solve/order_twins.h"

namespace tinyai {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max() / 4;
// Of sets of ops waiting for others; keeps the recursion within a thread's stack.
constexpr int kMostNested = 1500;
// A way of putting off what does not fit beside a tensor takes as long to look at as some states.
constexpr uint64_t kStatesPerTry = 4;

// Sets of ops are told apart by 128 bits: the sum of two random numbers for each op.
struct SetKey {
  uint64_t a = 0, b = 0;
  bool operator==(const SetKey&) const = default;
};
struct SetKeyHash {
  size_t operator()(const SetKey& key) const { return key.a; }
};

uint64_t Mixed(uint64_t x) {  // the finaliser of splitmix64
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

using Ops = std::vector<uint32_t>;

class Descent {
 public:
  Descent(const OrderNet& net, uint64_t most_states, OrderBudget& budget)
      : net_(net),
        most_states_(most_states),
        budget_(budget),
        cutter_(net),
        state_(net),
        parent_(net.ops()),
        seen_(net.bytes.size(), UINT32_MAX),
        twins_(TwinClasses(net)) {
    for (uint32_t op = 0; op < net.ops(); ++op) shares_one_ &= net.succs[op].size() < 2;
  }

  // Runs everything within `peak`, or returns the least peak with which it may go further. What has
  // run then is the right beginning for greater peaks too.
  // 0: done, or the budget is over.
  int64_t Attempt(int64_t peak) {
    peak_ = peak;
    Ops rest;
    for (uint32_t op = 0; op < net_.ops(); ++op) {
      if (!state_.done(op)) rest.push_back(op);
    }
    return Close(std::move(rest), std::numeric_limits<int64_t>::min());
  }
  bool gave_up() const { return gave_up_; }
  const Ops& order() const { return trail_; }

 private:
  struct Part {
    Ops ops;           // not run, connected, ascending
    int64_t need = 0;  // room above the level that it takes at least to descend
  };
  // What was found out about a part. It does not depend on what has run elsewhere: all ops that are
  // left and share a tensor with it are in it.
  struct Known {
    int64_t need = 0;  // less room than that does not do
    Ops run;           // a descent, if any was found,
    int64_t rise = 0;  // and the room that it takes
  };
  struct Child {
    uint32_t op;
    OrderState::Step step;
    auto operator<=>(const Child& other) const {
      return std::tie(step.net, step.rise, op) <=>
             std::tie(other.step.net, other.step.rise, other.op);
    }
    bool operator==(const Child&) const = default;
  };

  // Runs descents in `ops` until the level is `goal` or less, or all have run and `goal` is out of
  // reach anyway, and returns 0; or until there is none left, and returns the least peak that
  // changes this.
  int64_t Close(Ops ops, int64_t goal);
  // Runs a set of ops of `part` that does not raise the level, and returns 0; or, if none can be
  // run, returns the room that it takes at least.
  int64_t Descend(const Ops& part);
  // The same, where the part is a tree but for one tensor; nothing if that does not tell.
  std::optional<int64_t> DescendSharedTree(const Ops& part);
  // The same for its children: ops that are ready but raise the level.
  int64_t TryChildren(const Ops& part, const std::vector<Child>& children);
  // The room that was taken by what has run since `mark`.
  int64_t Rerun(size_t mark);
  // Of what has run since `mark`, keeps a part that leaves fewer bytes if there is one.
  void KeepLeast(size_t mark);
  std::vector<Part> Split(const Ops& ops);
  // Runs single ops that do not raise the level while there are any, and it is above `goal`.
  void RunFreely(Ops& ops, int64_t goal);

  void Run(uint32_t op) {
    state_.Run(op);
    trail_.push_back(op);
  }
  // A flag for each op.
  std::vector<uint8_t> Done() const {
    std::vector<uint8_t> done(net_.ops());
    for (uint32_t op = 0; op < done.size(); ++op) done[op] = state_.done(op);
    return done;
  }
  void UndoTo(size_t size) {
    for (; trail_.size() > size; trail_.pop_back()) state_.Undo(trail_.back());
  }
  uint32_t Root(uint32_t op) {
    while (parent_[op] != op) op = parent_[op] = parent_[parent_[op]];
    return op;
  }
  void Unite(uint32_t a, uint32_t b) {
    a = Root(a), b = Root(b);
    parent_[std::max(a, b)] = std::min(a, b);
  }
  static SetKey KeyOf(const Ops& ops) {
    SetKey key;
    for (const uint32_t op : ops) {
      key.a += Mixed(2 * uint64_t{op});
      key.b += Mixed(2 * uint64_t{op} + 1);
    }
    return key;
  }

  const OrderNet& net_;
  uint64_t most_states_;
  OrderBudget& budget_;
  NetCutter cutter_;
  OrderState state_;
  Ops trail_, parent_, seen_, twins_;
  std::unordered_map<SetKey, Known, SetKeyHash> known_;
  int64_t peak_ = 0;
  int nested_ = 0;
  uint64_t states_ = 0;
  bool gave_up_ = false;
  bool shares_one_ = true;  // parts may be trees but for one tensor
};

std::vector<Descent::Part> Descent::Split(const Ops& ops) {
  budget_.Work(ops.size());
  for (const uint32_t op : ops) parent_[op] = op;
  for (const uint32_t op : ops) {
    for (const uint32_t succ : net_.succs[op]) Unite(op, succ);
    for (const uint32_t tensor : net_.tensors_of[op]) {
      // One that lives to the end, or whose other pins have run, ties nothing together.
      if (state_.left(tensor) < 2 || (net_.kept[tensor] && state_.live(tensor))) continue;
      if (seen_[tensor] == UINT32_MAX) {
        seen_[tensor] = op;
      } else {
        Unite(seen_[tensor], op);
      }
    }
  }
  std::vector<Part> parts;
  std::unordered_map<uint32_t, size_t> index;
  for (const uint32_t op : ops) {
    const auto [at, is_new] = index.try_emplace(Root(op), parts.size());
    if (is_new) parts.emplace_back();
    parts[at->second].ops.push_back(op);
    for (const uint32_t tensor : net_.tensors_of[op]) seen_[tensor] = UINT32_MAX;
  }
  return parts;
}

void Descent::RunFreely(Ops& ops, int64_t goal) {
  for (bool changed = true; changed && state_.level() > goal;) {
    changed = false;
    for (const uint32_t op : ops) {
      if (!state_.ready(op)) continue;
      const OrderState::Step step = state_.Try(op);
      if (step.net > 0 || state_.level() + step.rise > peak_) continue;
      Run(op);
      changed = true;
      if (state_.level() <= goal) break;
    }
  }
  std::erase_if(ops, [&](uint32_t op) { return state_.done(op); });
}

int64_t Descent::Close(Ops ops, int64_t goal) {
  std::vector<Part> parts = Split(ops);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < parts.size(); ++i) {
      while (!parts[i].ops.empty() && parts[i].need <= peak_ - state_.level()) {
        parts[i].need = Descend(parts[i].ops);
        if (gave_up_) return 0;
        if (parts[i].need > 0) break;
        RunFreely(parts[i].ops, goal);
        if (state_.level() <= goal) return 0;
        changed = true;
        std::vector<Part> split = Split(parts[i].ops);
        parts[i] = split.empty() ? Part{} : std::move(split[0]);
        for (size_t j = 1; j < split.size(); ++j) parts.push_back(std::move(split[j]));
      }
    }
  }
  int64_t need = kNever;
  for (const Part& part : parts) {
    if (!part.ops.empty()) need = std::min(need, part.need);
  }
  const bool all_run =
      std::all_of(parts.begin(), parts.end(), [](const Part& part) { return part.ops.empty(); });
  if (all_run && goal == std::numeric_limits<int64_t>::min()) return 0;
  return need == kNever ? kNever : state_.level() + need;
}

int64_t Descent::Descend(const Ops& part) {
  const int64_t start = state_.level();
  std::vector<Child> children;
  for (const uint32_t op : part) {
    if (!state_.ready(op)) continue;
    const Child child{op, state_.Try(op)};
    if (child.step.net <= 0 && start + child.step.rise <= peak_) {
      Run(op);
      return 0;
    }
    children.push_back(child);
  }
  const SetKey key = KeyOf(part);
  if (const auto at = known_.find(key); at != known_.end()) {
    const Known& known = at->second;
    if (known.need > peak_ - start) return known.need;
    if (!known.run.empty() && known.rise <= peak_ - start) {
      for (const uint32_t op : known.run) Run(op);
      return 0;
    }
  }
  if (!budget_.Spend() || ++states_ > most_states_ || nested_ >= kMostNested) {
    gave_up_ = true;
    return 0;
  }
  std::optional<int64_t> need = DescendSharedTree(part);
  if (!need) {
    std::sort(children.begin(), children.end());
    ++nested_;
    need = TryChildren(part, children);
    --nested_;
  }
  if (!gave_up_ && *need > 0) known_[key].need = *need;
  return *need;
}

std::optional<int64_t> Descent::DescendSharedTree(const Ops& part) {
  if (!shares_one_) return std::nullopt;
  budget_.Work(part.size());
  const std::optional<WayDown> way = FindWayDown(cutter_.Part(part, Done()), peak_ - state_.level(),
                                                 most_states_ / kStatesPerTry, budget_);
  if (!way) return std::nullopt;
  if (way->run.empty() && way->need <= peak_ - state_.level()) {
    shares_one_ = false;  // that takes too long
    return std::nullopt;
  }
  if (way->run.empty()) return way->need;
  const size_t mark = trail_.size();
  for (const uint32_t op : way->run) Run(part[op]);
  KeepLeast(mark);
  return 0;
}

int64_t Descent::TryChildren(const Ops& part, const std::vector<Child>& children) {
  const int64_t start = state_.level();
  const size_t mark = trail_.size();
  int64_t need = kNever;
  Ops tried;  // classes
  for (const Child& child : children) {
    if (std::find(tried.begin(), tried.end(), twins_[child.op]) != tried.end()) continue;
    tried.push_back(twins_[child.op]);
    if (start + child.step.rise > peak_) {
      need = std::min(need, child.step.rise);
      continue;
    }
    Run(child.op);
    Ops rest = part;
    std::erase(rest, child.op);
    const int64_t peak = Close(std::move(rest), start);
    if (gave_up_) return 0;
    if (peak == 0) {
      KeepLeast(mark);
      Known& known = known_[KeyOf(part)];
      known.run.assign(trail_.begin() + static_cast<std::ptrdiff_t>(mark), trail_.end());
      known.rise = Rerun(mark);
      return 0;
    }
    UndoTo(mark);
    if (peak != kNever) need = std::min(need, peak - start);
  }
  return need;
}

int64_t Descent::Rerun(size_t mark) {
  const Ops run(trail_.begin() + static_cast<std::ptrdiff_t>(mark), trail_.end());
  UndoTo(mark);
  const int64_t start = state_.level();
  int64_t rise = 0;
  for (const uint32_t op : run) {
    rise = std::max(rise, state_.level() + state_.Try(op).rise - start);
    Run(op);
  }
  return rise;
}

void Descent::KeepLeast(size_t mark) {
  const Ops run(trail_.begin() + static_cast<std::ptrdiff_t>(mark), trail_.end());
  std::vector<uint8_t> before = Done();
  for (const uint32_t op : run) before[op] = 0;
  // If all follow from the first, their parts have all been looked at.
  const bool one_source = std::all_of(run.begin() + 1, run.end(), [&](uint32_t op) {
    const auto preds = net_.preds[op];
    return std::any_of(preds.begin(), preds.end(), [&](uint32_t pred) { return !before[pred]; });
  });
  if (one_source) return;
  const std::vector<uint8_t> least = LeastCut(cutter_.Part(run, before));
  const int64_t level = state_.level();
  UndoTo(mark);
  for (size_t i = 0; i < run.size(); ++i) {
    if (least[i]) Run(run[i]);
  }
  if (state_.level() < level) return;
  UndoTo(mark);
  for (const uint32_t op : run) Run(op);
}

}  // namespace

DescentResult LeastPeakDescent(const OrderNet& net, int64_t floor, uint64_t most_states,
                               OrderBudget& budget) {
  Descent descent(net, most_states, budget);
  for (int64_t peak = floor;;) {
    const int64_t next = descent.Attempt(peak);
    if (descent.gave_up()) return {false, peak, {}};
    if (next == 0) return {true, peak, descent.order()};
    peak = next;
  }
}

}  // namespace tinyai
