#include <algorithm>

#include "plan/net_passes.h"
#include "plan/stretches.h"

namespace tinyai {
namespace {

constexpr uint32_t kNobody = ~uint32_t{0};

// A command, as the count of those before it on its place in all iterations so far: of two on one
// place the later one implies the other.
struct Touch {
  uint32_t op = kNobody;
  uint32_t place = 0;
  uint32_t iteration = 0;
  uint64_t moment = 0;  // in the order, over all iterations
};

// Who touched some bytes: the last of each place since the last write that was sure to happen.
using Touches = std::vector<Touch>;

class ReuseFinder {
 public:
  ReuseFinder(const TaskNet& net, const std::vector<PlaceId>& place_of, const NetPlan& plan)
      : net_(net), place_of_(place_of), plan_(plan), latest_(net.places.size()) {
    for (const uint64_t height : plan.heights) memory_.emplace_back(height);
  }

  std::vector<NetNeed> Find(const std::vector<NetOpId>& order) {
    for (uint32_t iteration = 0; iteration < (net_.loops ? 2 : 1); ++iteration) {
      for (const NetOpId op : order) Perform(op, iteration);
    }
    return std::move(needs_);
  }

 private:
  void Perform(NetOpId id, uint32_t iteration) {
    const NetOp& op = net_.op(id);
    if (op.once && iteration > 0) return;
    const Touch touch{static_cast<uint32_t>(id), static_cast<uint32_t>(place_of_[Index(id)]),
                      iteration, ++moment_};
    for (const NetValueId in : op.ins) Read(plan_.value_buffers[Index(in)], touch);
    for (RegionId region = op.region; Index(region) != 0;
         region = net_.regions[Index(region)].parent) {
      const auto condition = net_.regions[Index(region)].condition;
      if (condition) Read(plan_.value_buffers[Index(*condition)], touch);
    }
    std::fill(latest_.begin(), latest_.end(), Touch());
    Write(plan_.workspaces[Index(id)], touch);
    for (const NetValueId out : op.outs) Write(plan_.value_buffers[Index(out)], touch);
    for (const Touch& old : latest_) {
      if (old.op == kNobody) continue;
      needs_.push_back({NetOpId(old.op), id, iteration - old.iteration, NetNeed::Kind::kReuse});
    }
  }

  static void Remember(Touches& touches, const Touch& touch) {
    const auto same = std::find_if(touches.begin(), touches.end(),
                                   [&](const Touch& old) { return old.place == touch.place; });
    if (same == touches.end()) {
      touches.push_back(touch);
    } else if (same->moment < touch.moment) {
      *same = touch;
    }
  }

  void Read(const NetBuffer& buffer, const Touch& touch) {
    memory_[Index(buffer.memory)].Each(buffer.offset, buffer.bytes,
                                       [&](Touches& touches) { Remember(touches, touch); });
  }

  // Where this write may be left out, the next one still meets those before it.
  void Write(const NetBuffer& buffer, const Touch& touch) {
    if (buffer.bytes == 0) return;
    const bool sure = Index(net_.op(NetOpId(touch.op)).region) == 0;
    before_.clear();
    const auto meet = [&](const Touches& touches) {
      for (const Touch& old : touches) {
        if (!sure) Remember(before_, old);
        if (old.place != touch.place && old.moment > latest_[old.place].moment) {
          latest_[old.place] = old;
        }
      }
    };
    Touches& now = memory_[Index(buffer.memory)].Join(buffer.offset, buffer.bytes, meet);
    now.assign(before_.begin(), before_.end());
    Remember(now, touch);
  }

  const TaskNet& net_;
  const std::vector<PlaceId>& place_of_;
  const NetPlan& plan_;
  std::vector<Stretches<Touches>> memory_;
  uint64_t moment_ = 0;
  std::vector<Touch> latest_;  // by place: whom the op meets
  Touches before_;
  std::vector<NetNeed> needs_;
};

}  // namespace

std::vector<NetNeed> ReuseNeeds(const TaskNet& net, const std::vector<NetOpId>& order,
                                const std::vector<PlaceId>& place_of, const NetPlan& plan) {
  return ReuseFinder(net, place_of, plan).Find(order);
}

}  // namespace tinyai
