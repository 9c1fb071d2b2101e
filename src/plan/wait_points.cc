#include "plan/wait_points.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace tinyai {
namespace {

using Clock = std::vector<uint32_t>;  // by place: how many of its ops have ended

// The innermost region around both. Regions come after those around them.
RegionId Common(const TaskNet& net, RegionId a, RegionId b) {
  while (a != b) {
    RegionId& deeper = Index(a) > Index(b) ? a : b;
    deeper = net.regions[Index(deeper)].parent;
  }
  return a;
}

// The orders between places that syncs have to stand for if all arms are taken.
std::vector<NetNeed> FlatWaits(const TaskNet& net, const std::vector<NetNeed>& needs,
                               const NetDraft& draft) {
  TaskNet flat;
  flat.places = net.places;
  flat.regions.resize(1);
  flat.ops.resize(net.ops.size());
  flat.fixed_syncs = net.fixed_syncs;
  QueueOrders queues(net.places.size());
  for (const NetOpId op : draft.order) queues[Index(draft.place_of[Index(op)])].push_back(op);
  NetPlan plan;
  std::vector<NetNeed> out;
  for (const SyncCause& cause : DeriveSyncs(flat, queues, {needs, draft.extra}, plan)) {
    const NetCommand& command = plan.queues[Index(cause.place)][cause.command];
    const NetFence& fence = plan.fences[command.syncs[cause.sync].fence];
    out.push_back(
        {plan.queues[Index(fence.place)][fence.command].op, command.op, 0, NetNeed::Kind::kOrder});
  }
  return out;
}

// Follows the queues as if every arm were taken, and finds of each wait who learns by it what it
// needs.
class WaitPointer {
 public:
  WaitPointer(const TaskNet& net, const std::vector<NetNeed>& needs, const NetDraft& draft)
      : net_(net),
        draft_(draft),
        makers_(Makers(net)),
        before_(NeedLists::ByLater(needs, net.ops.size())),
        at_(net.ops.size(), 0),
        known_(net.places.size(), Clock(net.places.size(), 0)),
        learnt_(net.places.size() * net.places.size()) {
    for (const NetNeed& wait : FlatWaits(net, needs, draft)) Add(wait.earlier, wait.later, false);
    for (const NetFixedSync& sync : net.fixed_syncs) {
      if (PlaceOf(sync.recorder) != PlaceOf(sync.waiter)) Add(sync.recorder, sync.waiter, true);
    }
  }

  PointedDraft Run() {
    for (const NetOpId op : draft_.order) Pass(op);
    // Later ones first: what they hand on has been learnt before.
    for (auto order = passed_.rbegin(); order != passed_.rend(); ++order) {
      const Wait& wait = waits_[*order];
      if (!wait.used) continue;
      for (const size_t source : wait.sources) {
        Use(source, Common(net_, *wait.around, net_.op(wait.recorder).region), wait.recorder);
      }
    }
    return Rewrite();
  }

 private:
  struct Wait {
    NetOpId recorder{}, waiter{};
    bool given = false;              // stays as it is
    std::vector<size_t> sources;     // waits that taught the recorder what this one hands on
    std::optional<NetOpId> used;     // the first op that counts on it
    std::optional<RegionId> around;  // all who do
  };
  struct Lesson {
    uint32_t known = 0;
    size_t wait = 0;
  };
  struct Besides {
    size_t place = 0, of = 0;
    Lesson lesson;
  };

  size_t PlaceOf(NetOpId op) const { return Index(draft_.place_of[Index(op)]); }
  std::vector<Lesson>& Learnt(size_t place, size_t of) {
    return learnt_[place * net_.places.size() + of];
  }

  void Add(NetOpId recorder, NetOpId waiter, bool given) {
    before_op_[Index(waiter)].push_back(waits_.size());
    told_.try_emplace(Index(recorder), net_.places.size(), 0);
    waits_.push_back({recorder, waiter, given, {}, {}, {}});
  }

  void Pass(NetOpId op) {
    const size_t place = PlaceOf(op);
    at_[Index(op)] = ++known_[place][place];
    if (const auto waits = before_op_.find(Index(op)); waits != before_op_.end()) {
      for (const size_t wait : waits->second) Learn(place, wait);
    }
    for (const NetNeed& need : before_.of(op)) {
      const size_t other = PlaceOf(need.earlier);
      if (other == place || need.distance != 0) continue;
      const uint32_t position = at_[Index(need.earlier)];
      const RegionId region = NeededIn(need);
      auto wait = Teacher(place, other, position, region);
      if (!wait) {  // who waits already does so in another arm
        wait = waits_.size();
        waits_.push_back({need.earlier, op, false, {}, {}, {}});
        passed_.push_back(*wait);
        besides_.push_back({place, other, {position, *wait}});
      }
      Use(*wait, region, op);
      Trace(*wait, other, position);
    }
    if (const auto told = told_.find(Index(op)); told != told_.end()) {
      told->second = known_[place];
    }
  }

  // The region of the later op; of a condition, that around its arm.
  RegionId NeededIn(const NetNeed& need) const {
    const RegionId own = net_.op(need.later).region;
    RegionId out = own;
    for (RegionId at = own; Index(at) != 0; at = net_.regions[Index(at)].parent) {
      const NetRegion& arm = net_.regions[Index(at)];
      if (arm.condition && makers_[Index(*arm.condition)] == need.earlier) out = arm.parent;
    }
    return out;
  }

  void Learn(size_t place, size_t wait) {
    passed_.push_back(wait);
    const Clock& heard = told_.at(Index(waits_[wait].recorder));
    for (size_t of = 0; of < heard.size(); ++of) {
      if (heard[of] <= known_[place][of]) continue;
      known_[place][of] = heard[of];
      Learnt(place, of).push_back({heard[of], wait});
    }
  }

  // The first wait by which a place knows, in this region, that another one got so far.
  std::optional<size_t> Teacher(size_t place, size_t of, uint32_t position, RegionId region) {
    const std::vector<Lesson>& lessons = Learnt(place, of);
    auto at = std::lower_bound(lessons.begin(), lessons.end(), position,
                               [](const Lesson& one, uint32_t p) { return one.known < p; });
    for (; at != lessons.end(); ++at) {
      const Wait& wait = waits_[at->wait];
      const RegionId own = net_.op(wait.waiter).region;
      if (!wait.given || Common(net_, own, region) == own) return at->wait;
    }
    for (const Besides& one : besides_) {
      if (one.place == place && one.of == of && one.lesson.known >= position) {
        return one.lesson.wait;
      }
    }
    return std::nullopt;
  }
  // Where what a wait tells of a place comes from, if not from that place itself.
  void Trace(size_t wait, size_t of, uint32_t position) {
    const NetOpId recorder = waits_[wait].recorder;
    const size_t teller = PlaceOf(recorder);
    if (teller == of) return;
    const auto source = Teacher(teller, of, position, net_.op(recorder).region);
    if (!source || *source == wait) return;
    std::vector<size_t>& sources = waits_[wait].sources;
    if (std::find(sources.begin(), sources.end(), *source) == sources.end()) {
      sources.push_back(*source);
    }
    Trace(*source, of, position);
  }

  void Use(size_t id, RegionId region, NetOpId op) {
    Wait& wait = waits_[id];
    wait.around = wait.around ? Common(net_, *wait.around, region) : region;
    if (!wait.used || at_[Index(op)] < at_[Index(*wait.used)]) wait.used = op;
  }

  PointedDraft Rewrite() const {
    PointedDraft out{net_, {{}, draft_.place_of, {}}};
    // By op; outer regions first, whose number is less.
    std::map<size_t, std::map<size_t, NetOpId>> points;
    for (const Wait& wait : waits_) {
      if (wait.given || !wait.used) continue;
      NetOpId later = *wait.used;
      if (*wait.around != net_.op(later).region) {
        const auto [point, added] =
            points[Index(later)].try_emplace(Index(*wait.around), NetOpId(out.net.ops.size()));
        if (added) {
          NetOp& op = out.net.ops.emplace_back();
          op.name = "wait";
          op.region = *wait.around;
          op.choices = {{draft_.place_of[Index(later)], 0, 0}};
          out.draft.place_of.push_back(draft_.place_of[Index(later)]);
        }
        later = point->second;
      }
      out.draft.extra.push_back({wait.recorder, later, 0, NetNeed::Kind::kOrder});
    }
    out.draft.order.reserve(out.net.ops.size());
    for (const NetOpId op : draft_.order) {
      if (const auto found = points.find(Index(op)); found != points.end()) {
        for (const auto& [region, point] : found->second) out.draft.order.push_back(point);
      }
      out.draft.order.push_back(op);
    }
    return out;
  }

  const TaskNet& net_;
  const NetDraft& draft_;
  const std::vector<std::optional<NetOpId>> makers_;  // by value
  const NeedLists before_;
  std::vector<uint32_t> at_;                         // by op: its number in its queue, from 1
  std::vector<Clock> known_;                         // by place
  std::vector<std::vector<Lesson>> learnt_;          // by two places, in order
  std::vector<Besides> besides_;                     // what given waits in arms leave to others
  std::vector<Wait> waits_;                          // the draft's and those that are given
  std::vector<size_t> passed_;                       // waits, in order
  std::map<size_t, std::vector<size_t>> before_op_;  // by op: waits
  std::map<size_t, Clock> told_;                     // by recorder
};

}  // namespace

PointedDraft WaitForAllArms(const TaskNet& net, const std::vector<NetNeed>& needs,
                            const NetDraft& draft) {
  return WaitPointer(net, needs, draft).Run();
}

}  // namespace tinyai
