#include <algorithm>

#include "plan/net_passes.h"
#include "plan/vector_clocks.h"

namespace tinyai {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

// After these iterations of a loop nothing new is met: each needs the one before at most as far
// back as the longest distance, and one more shows that the first ones were no exception.
uint64_t IterationsToFollow(const TaskNet& net, NeedParts needs) {
  if (!net.loops) return 1;
  uint32_t longest = 1;
  for (const auto part : needs) {
    for (const NetNeed& need : part) longest = std::max(longest, need.distance);
  }
  return net.iterations == 0 ? 2 + longest : std::min<uint64_t>(2 + longest, net.iterations);
}

class SyncDeriver {
 public:
  SyncDeriver(const TaskNet& net, const QueueOrders& orders, NeedParts needs, NetPlan& plan)
      : net_(net),
        plan_(plan),
        iterations_(IterationsToFollow(net, needs)),
        clocks_(net),
        done_(orders.size(), 0),
        moments_(orders.size()),
        place_of_(net.ops.size()),
        at_(net.ops.size()),
        awaited_(net.ops.size(), false),
        first_need_(net.ops.size() + 1, 0),
        fence_of_(net.ops.size(), kNone) {
    plan_.queues.assign(orders.size(), {});
    plan_.fences.clear();
    for (size_t place = 0; place < orders.size(); ++place) {
      plan_.queues[place].reserve(orders[place].size());
      for (const NetOpId op : orders[place]) {
        place_of_[Index(op)] = static_cast<uint32_t>(place);
        at_[Index(op)] = static_cast<uint32_t>(plan_.queues[place].size());
        plan_.queues[place].push_back({op, {}});
      }
      moments_[place].resize(orders[place].size() * iterations_);
    }
    SortNeeds(needs);
    const auto awaited = std::count(awaited_.begin(), awaited_.end(), true);
    clocks_.Expect(static_cast<size_t>(awaited) * iterations_);
    causes_.reserve(static_cast<size_t>(awaited));
    PutFixed();
  }

  std::vector<SyncCause> Derive() {
    if (needs_.empty() && net_.fixed_syncs.empty()) return {};
    bool moved = true;
    while (moved) {
      moved = false;
      for (size_t place = 0; place < plan_.queues.size(); ++place) {
        while (done_[place] < plan_.queues[place].size() * iterations_ && Step(place)) {
          moved = true;
        }
      }
    }
    return std::move(causes_);
  }

 private:
  struct Target {
    uint32_t place, at, distance;
    uint64_t position;  // 0: before the first iteration
    uint32_t need = 0;  // into needs_
  };

  // Those between places, by later op; counting sort.
  void SortNeeds(NeedParts needs) {
    const auto each_crossing = [&](auto visit) {
      for (const auto part : needs) {
        for (const NetNeed& need : part) {
          if (place_of_[Index(need.earlier)] != place_of_[Index(need.later)]) visit(need);
        }
      }
    };
    each_crossing([&](const NetNeed& need) { ++first_need_[Index(need.later) + 1]; });
    for (size_t i = 1; i < first_need_.size(); ++i) first_need_[i] += first_need_[i - 1];
    needs_.resize(first_need_.back());
    std::vector<uint32_t> next(first_need_.begin(), first_need_.end() - 1);
    each_crossing([&](const NetNeed& need) {
      needs_[next[Index(need.later)]++] = need;
      awaited_[Index(need.earlier)] = true;
    });
  }

  // What is given stands there from the beginning.
  void PutFixed() {
    for (const NetOpId op : net_.fixed_fences) FenceAt(place_of_[Index(op)], at_[Index(op)]);
    for (const NetFixedSync& sync : net_.fixed_syncs) {
      const uint32_t place = place_of_[Index(sync.recorder)];
      if (place == place_of_[Index(sync.waiter)]) continue;
      const uint32_t fence = FenceAt(place, at_[Index(sync.recorder)]);
      plan_.queues[place_of_[Index(sync.waiter)]][at_[Index(sync.waiter)]].syncs.push_back(
          {fence, sync.distance});
    }
  }

  uint64_t Position(uint32_t place, uint32_t at, uint32_t distance, uint64_t iteration) const {
    if (distance > iteration) return 0;
    return (iteration - distance) * plan_.queues[place].size() + at + 1;
  }

  // False if an op that the next command needs is still to come.
  bool Step(size_t place) {
    std::vector<NetCommand>& queue = plan_.queues[place];
    const uint64_t iteration = done_[place] / queue.size();
    NetCommand& command = queue[done_[place] % queue.size()];
    targets_.clear();
    for (uint32_t i = first_need_[Index(command.op)]; i < first_need_[Index(command.op) + 1]; ++i) {
      const NetNeed& need = needs_[i];
      const uint32_t other = place_of_[Index(need.earlier)];
      const uint32_t at = at_[Index(need.earlier)];
      const uint64_t position = Position(other, at, need.distance, iteration);
      if (position > done_[other]) return false;
      if (position > 0) targets_.push_back({other, at, need.distance, position, i});
    }
    if (done_[place] % queue.size() == 0) clocks_.EndIteration(place);
    if (net_.regions.size() > 1) clocks_.Enter(place, net_.op(command.op).region);
    for (const NetSync& sync : command.syncs) Wait(place, sync, iteration);
    if (!targets_.empty()) Cover(place, command);
    clocks_.Advance(place, ++done_[place]);
    if (awaited_[Index(command.op)]) moments_[place][done_[place] - 1] = clocks_.Remember(place);
    return true;
  }

  void Wait(size_t place, const NetSync& sync, uint64_t iteration) {
    const NetFence& fence = plan_.fences[sync.fence];
    const uint32_t other = static_cast<uint32_t>(fence.place);
    const uint64_t position = Position(other, fence.command, sync.distance, iteration);
    if (position > 0) Learn(place, {other, fence.command, sync.distance, position});
  }
  void Learn(size_t place, const Target& target) {
    clocks_.Learn(place, Heard(place, target), target.place, target.position);
  }
  const uint64_t* Heard(size_t place, const Target& target) {
    return clocks_.Heard(place, moments_[target.place][target.position - 1], target.place,
                         target.position, target.distance == 0);
  }

  // Adds a sync for each target that is not known, unless another one brings that knowledge too.
  void Cover(size_t place, NetCommand& command) {
    std::erase_if(targets_, [&](const Target& target) {
      return clocks_.Of(place, target.place) >= target.position;
    });
    std::sort(targets_.begin(), targets_.end(), [](const Target& a, const Target& b) {
      return std::pair(a.place, b.position) < std::pair(b.place, a.position);
    });
    targets_.erase(std::unique(targets_.begin(), targets_.end(),
                               [](const Target& a, const Target& b) { return a.place == b.place; }),
                   targets_.end());
    kept_.assign(targets_.size(), true);
    for (size_t i = 0; i < targets_.size(); ++i) {
      kept_[i] = false;
      kept_[i] = !KeptBringAll(place);
    }
    for (size_t i = 0; i < targets_.size(); ++i) {
      if (!kept_[i]) continue;
      Learn(place, targets_[i]);
      causes_.push_back({PlaceId(place), at_[Index(command.op)],
                         static_cast<uint32_t>(command.syncs.size()), needs_[targets_[i].need]});
      command.syncs.push_back({FenceAt(targets_[i].place, targets_[i].at), targets_[i].distance});
    }
  }
  bool KeptBringAll(size_t place) {
    return std::all_of(targets_.begin(), targets_.end(), [&](const Target& target) {
      for (size_t i = 0; i < targets_.size(); ++i) {
        if (!kept_[i]) continue;
        if (&targets_[i] == &target || Heard(place, targets_[i])[target.place] >= target.position) {
          return true;
        }
      }
      return false;
    });
  }

  uint32_t FenceAt(uint32_t place, uint32_t command) {
    uint32_t& fence = fence_of_[Index(plan_.queues[place][command].op)];
    if (fence == kNone) {
      fence = static_cast<uint32_t>(plan_.fences.size());
      plan_.fences.push_back({PlaceId(place), command});
    }
    return fence;
  }

  const TaskNet& net_;
  NetPlan& plan_;
  const uint64_t iterations_;
  VectorClocks clocks_;
  std::vector<uint64_t> done_;                              // by place: commands passed
  std::vector<std::vector<VectorClocks::Moment>> moments_;  // by place: after each awaited command
  std::vector<uint32_t> place_of_, at_;                     // by op
  std::vector<bool> awaited_;                               // by op: at another place
  std::vector<uint32_t> first_need_;                        // by op, into needs_
  std::vector<NetNeed> needs_;                              // between places, by later op
  std::vector<Target> targets_;                             // of one command
  std::vector<bool> kept_;                                  // of these, as syncs
  std::vector<uint32_t> fence_of_;                          // by op
  std::vector<SyncCause> causes_;
};

}  // namespace

std::vector<SyncCause> DeriveSyncs(const TaskNet& net, const QueueOrders& orders, NeedParts needs,
                                   NetPlan& plan) {
  return SyncDeriver(net, orders, needs, plan).Derive();
}

}  // namespace tinyai
