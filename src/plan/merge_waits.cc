#include <algorithm>

#include "plan/net_passes.h"

namespace tinyai {
namespace {

constexpr double kSmall = 1e-9;  // of a period
constexpr int kMostSweeps = 64;
// What is loaded once may delay the first iteration by reading so much more before it is needed: a
// part of all, at least so many bytes.
constexpr uint64_t kFewBytes = uint64_t{16} << 20, kPart = 64;

// Times of all commands at which a loop whose iterations start `period` apart holds every sync.
class LoopTimes {
 public:
  LoopTimes(const TaskNet& net, const NetPlan& plan, double period)
      : net_(net), plan_(plan), period_(period), where_(net.ops.size()) {
    for (size_t place = 0; place < plan.queues.size(); ++place) {
      for (uint32_t at = 0; at < plan.queues[place].size(); ++at) {
        where_[Index(plan.queues[place][at].op)] = {place, at};
      }
      early_.emplace_back(plan.queues[place].size(), 0.0);
      late_.emplace_back(plan.queues[place].size(), kNever);
    }
  }

  // As early as can be, and as late as the busiest place, which is early, lets it be. False if the
  // period is too short.
  bool Find(const std::vector<NetOpId>& order, size_t busiest) {
    bool moved = true;
    for (int sweep = 0; moved && sweep < kMostSweeps; ++sweep) {
      moved = false;
      for (const NetOpId op : order) moved = SetEarly(op) || moved;
    }
    if (moved) return false;
    late_[busiest] = early_[busiest];
    busiest_ = busiest;
    moved = true;
    for (int sweep = 0; moved && sweep < kMostSweeps; ++sweep) {
      moved = false;
      for (size_t i = order.size(); i-- > 0;) moved = SetLate(order[i]) || moved;
    }
    return !moved;
  }

  double Begin(size_t place, size_t at, double share) const {
    const double early = early_[place][at], late = late_[place][at];
    return late == kNever ? early : early + share * (late - early);
  }
  double End(size_t place, size_t at, double share) const {
    return Begin(place, at, share) + Seconds(place, at);
  }

 private:
  static constexpr double kNever = 1e300;

  double Seconds(size_t place, size_t at) const {
    const NetOp& op = net_.op(plan_.queues[place][at].op);
    return op.once ? 0 : op.choice_at(PlaceId(place))->seconds;
  }
  bool SetEarly(NetOpId op) {
    const auto [place, at] = where_[Index(op)];
    const size_t count = plan_.queues[place].size();
    const size_t before = (at + count - 1) % count;
    double begin = early_[place][before] + Seconds(place, before) - (at == 0 ? period_ : 0);
    for (const NetSync& sync : plan_.queues[place][at].syncs) {
      const NetFence& fence = plan_.fences[sync.fence];
      const size_t other = Index(fence.place);
      begin = std::max(begin, early_[other][fence.command] + Seconds(other, fence.command) -
                                  period_ * sync.distance);
    }
    if (begin <= early_[place][at] + kSmall * period_) return false;
    early_[place][at] = begin;
    return true;
  }
  // Of this command, what has to have ended before it.
  bool SetLate(NetOpId op) {
    const auto [place, at] = where_[Index(op)];
    if (late_[place][at] == kNever) return false;
    const size_t count = plan_.queues[place].size();
    bool moved = Limit(place, (at + count - 1) % count, late_[place][at] + (at == 0 ? period_ : 0));
    for (const NetSync& sync : plan_.queues[place][at].syncs) {
      const NetFence& fence = plan_.fences[sync.fence];
      moved =
          Limit(Index(fence.place), fence.command, late_[place][at] + period_ * sync.distance) ||
          moved;
    }
    return moved;
  }
  bool Limit(size_t place, size_t at, double end) {
    const double begin = std::max(end - Seconds(place, at), early_[place][at]);
    if (place == busiest_ || begin >= late_[place][at] - kSmall * period_) return false;
    late_[place][at] = begin;
    return true;
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  const double period_;
  size_t busiest_ = 0;
  std::vector<std::pair<size_t, uint32_t>> where_;  // by op: place and command
  std::vector<std::vector<double>> early_, late_;   // begins, by place and command
};

class WaitMerger {
 public:
  WaitMerger(const TaskNet& net, const NetPlan& plan, const LoopTimes& times, double share)
      : net_(net), plan_(plan), times_(times), share_(share) {
    for (const std::vector<NetCommand>& queue : plan.queues) {
      read_.emplace_back();
      uint64_t bytes = 0;
      for (const NetCommand& command : queue) {
        bytes += net.op(command.op).moved_bytes;
        read_.back().push_back(bytes);
      }
      most_bytes_.push_back(std::max(kFewBytes, bytes / kPart));
    }
  }

  // Each place's waits for another one, in order: of those that one moment can stand for the first
  // op waits for the last fence.
  std::vector<NetNeed> Merge(double period) {
    std::vector<NetNeed> out;
    for (size_t place = 0; place < plan_.queues.size(); ++place) {
      for (size_t other = 0; other < plan_.queues.size(); ++other) {
        waits_.clear();
        for (uint32_t at = 0; at < plan_.queues[place].size(); ++at) {
          for (const NetSync& sync : plan_.queues[place][at].syncs) {
            const NetFence& fence = plan_.fences[sync.fence];
            if (Index(fence.place) != other) continue;
            waits_.push_back({at, fence.command, sync.distance});
          }
        }
        MergePair(place, other, period, out);
      }
    }
    return out;
  }

 private:
  struct Wait {
    uint32_t at, fence, distance;
  };

  void MergePair(size_t place, size_t other, double period, std::vector<NetNeed>& out) const {
    for (size_t first = 0, next = 0; first < waits_.size(); first = next) {
      const Wait& wait = waits_[first];
      const double moment = times_.Begin(place, wait.at, share_) + kSmall * period;
      for (next = first + 1; next < waits_.size(); ++next) {
        const Wait& more = waits_[next];
        const double ends = times_.End(other, more.fence, share_) - period * more.distance;
        if (ends > moment || !MayStandFor(place, other, wait, more)) break;
      }
      const Wait& last = waits_[next - 1];
      if (next == first + 1) continue;
      out.push_back({plan_.queues[other][last.fence].op, plan_.queues[place][wait.at].op,
                     last.distance, NetNeed::Kind::kOrder});
    }
  }
  bool MayStandFor(size_t place, size_t other, const Wait& wait, const Wait& more) const {
    const auto position = [&](const Wait& w) {
      return static_cast<int64_t>(w.fence) -
             static_cast<int64_t>(w.distance * plan_.queues[other].size());
    };
    // What is learned in a region is lost after it, and an iteration may leave it out. (A fence in
    // a region is passed whether or not its iteration carries that out.)
    const auto sure = [&](uint32_t at) {
      return Index(net_.op(plan_.queues[place][at].op).region) == 0;
    };
    if (!sure(wait.at) || !sure(more.at)) return false;
    const uint64_t bytes =
        read_[other][more.fence] - std::min(read_[other][more.fence], read_[other][wait.fence]);
    return position(more) >= position(wait) &&
           (wait.distance != more.distance || bytes <= most_bytes_[other]);
  }

  const TaskNet& net_;
  const NetPlan& plan_;
  const LoopTimes& times_;
  const double share_;
  std::vector<std::vector<uint64_t>> read_;  // by place and command: bytes so far
  std::vector<uint64_t> most_bytes_;         // by place
  std::vector<Wait> waits_;                  // of one place for another
};

}  // namespace

std::vector<NetNeed> MergeWaits(const TaskNet& net, const std::vector<NetOpId>& order,
                                const NetPlan& plan, double period_seconds, double share) {
  std::vector<double> busy(plan.queues.size(), 0);
  for (size_t place = 0; place < plan.queues.size(); ++place) {
    for (const NetCommand& command : plan.queues[place]) {
      const NetOp& op = net.op(command.op);
      busy[place] += op.once ? 0 : op.choice_at(PlaceId(place))->seconds;
    }
  }
  const auto busiest =
      static_cast<size_t>(std::max_element(busy.begin(), busy.end()) - busy.begin());
  LoopTimes times(net, plan, period_seconds);
  if (!net.loops || busy.empty() || !times.Find(order, busiest)) return {};
  return WaitMerger(net, plan, times, share).Merge(period_seconds);
}

}  // namespace tinyai
