#include "program/hoist_waits.h"

#include <algorithm>
#include <map>

namespace tinyai {
namespace {

// A derived sync of a plan.
struct Wait {
  uint32_t place = 0, command = 0;
  NetFence fence;
  RegionId region{};
};

class Hoister {
 public:
  Hoister(const PlannedNet& planned, const Wishes& wishes, ProgramNet& net)
      : plan_(planned.plan), wishes_(wishes), net_(net) {}

  bool Run() {
    const size_t regions = net_.net.regions.size();
    for (uint32_t place = 0; place < plan_.queues.size(); ++place) Collect(place);
    bool found = false;
    // Inner arms first: what they wait for may be hoisted once more, the next time.
    for (size_t then = regions; then-- > 1;) {
      const NetRegion& arm = net_.net.regions[then];
      if (!arm.condition || !arm.arm) continue;
      for (size_t other = 1; other < regions; ++other) {
        const NetRegion& otherwise = net_.net.regions[other];
        if (otherwise.arm || otherwise.parent != arm.parent ||
            otherwise.condition != arm.condition) {
          continue;
        }
        found = Hoist(RegionId(then), RegionId(other)) || found;
      }
    }
    return found;
  }

 private:
  NetOpId OpAt(uint32_t place, uint32_t command) const { return plan_.queues[place][command].op; }
  bool IsListed(NetOpId op) const {
    return Index(op) < wishes_.line_of.size() && wishes_.line_of[Index(op)].has_value();
  }

  void Collect(uint32_t place) {
    for (uint32_t at = 0; at < plan_.queues[place].size(); ++at) {
      const NetOpId op = OpAt(place, at);
      const bool mark = std::holds_alternative<work::Mark>(net_.work[Index(op)]);
      if (mark && IsListed(op)) continue;
      for (const NetSync& sync : plan_.queues[place][at].syncs) {
        waits_.push_back({place, at, plan_.fences[sync.fence], net_.net.op(op).region});
      }
    }
  }

  // By the waiting place and the one that is waited for.
  using Pair = std::pair<uint32_t, size_t>;
  struct Sides {
    std::vector<const Wait*> then, otherwise, after;
  };

  bool Hoist(RegionId then, RegionId otherwise) {
    const RegionId around = net_.net.regions[Index(then)].parent;
    std::map<Pair, Sides> sides;
    for (const Wait& wait : waits_) {
      Sides& here = sides[{wait.place, Index(wait.fence.place)}];
      const RegionId recorded =
          net_.net.op(OpAt(static_cast<uint32_t>(wait.fence.place), wait.fence.command)).region;
      if (!IsInside(net_.net, around, recorded)) continue;
      if (IsInside(net_.net, wait.region, then)) here.then.push_back(&wait);
      if (IsInside(net_.net, wait.region, otherwise)) here.otherwise.push_back(&wait);
      if (wait.region == around) here.after.push_back(&wait);
    }
    bool found = false;
    for (const auto& [places, side] : sides) {
      std::vector<const Wait*> arms = side.then;
      arms.insert(arms.end(), side.otherwise.begin(), side.otherwise.end());
      if (arms.empty()) continue;
      uint32_t latest = 0;
      for (const Wait* wait : arms) latest = std::max(latest, wait->fence.command);
      const bool both = !side.then.empty() && !side.otherwise.empty();
      const bool again = std::any_of(side.after.begin(), side.after.end(), [&](const Wait* wait) {
        return wait->command > arms.front()->command && wait->fence.command <= latest;
      });
      if (!both && !again) continue;
      AddPoint(places.first, around, {then, otherwise}, arms);
      found = true;
    }
    return found;
  }

  void AddPoint(uint32_t place, RegionId around, std::pair<RegionId, RegionId> arms,
                const std::vector<const Wait*>& waits) {
    const NetOpId point = net_.AddMark(PlaceId(place), around, "wait");
    uint32_t first = ~uint32_t{0};
    for (const Wait* wait : waits) {
      const NetOpId recorder = OpAt(static_cast<uint32_t>(wait->fence.place), wait->fence.command);
      net_.net.orders.push_back({recorder, point, NetOrder::Kind::kUser, 0});
      first = std::min(first, wait->command);
    }
    for (uint32_t at = first; at < plan_.queues[place].size(); ++at) {
      const NetOpId op = OpAt(place, at);
      const RegionId region = net_.net.op(op).region;
      const bool inside =
          IsInside(net_.net, region, arms.first) || IsInside(net_.net, region, arms.second);
      if (inside) net_.net.orders.push_back({point, op, NetOrder::Kind::kUser, 0});
    }
  }

  const NetPlan& plan_;
  const Wishes& wishes_;
  ProgramNet& net_;
  std::vector<Wait> waits_;
};

}  // namespace

bool HoistWaits(const PlannedNet& planned, const Wishes& wishes, ProgramNet& net) {
  return Hoister(planned, wishes, net).Run();
}

}  // namespace tinyai
