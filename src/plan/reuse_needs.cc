#include <algorithm>
#include <map>

#include "plan/net_passes.h"

namespace tinyai {
namespace {

// Who touched some bytes since they were written, the last of each place.
struct Touch {
  PlaceId place{};
  NetOpId op{};
  uint32_t iteration = 0;
};
struct Stretch {
  uint64_t end = 0;
  std::vector<Touch> touches;  // the writer among them
};

class ReuseFinder {
 public:
  ReuseFinder(const TaskNet& net, const std::vector<PlaceId>& place_of, const NetPlan& plan)
      : net_(net), place_of_(place_of), plan_(plan), memory_(net.memories.size()) {
    for (size_t i = 0; i < memory_.size(); ++i) memory_[i][0].end = plan.heights[i];
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
    const Touch touch{place_of_[Index(id)], id, iteration};
    for (const NetValueId in : op.ins) Read(plan_.value_buffers[Index(in)], touch);
    for (RegionId region = op.region; Index(region) != 0;
         region = net_.regions[Index(region)].parent) {
      const auto condition = net_.regions[Index(region)].condition;
      if (condition) Read(plan_.value_buffers[Index(*condition)], touch);
    }
    Write(plan_.workspaces[Index(id)], touch);
    for (const NetValueId out : op.outs) Write(plan_.value_buffers[Index(out)], touch);
  }

  void Read(const NetBuffer& buffer, const Touch& touch) {
    Each(buffer, [&](Stretch& stretch) {
      std::erase_if(stretch.touches, [&](const Touch& old) { return old.place == touch.place; });
      stretch.touches.push_back(touch);
    });
  }
  void Write(const NetBuffer& buffer, const Touch& touch) {
    Each(buffer, [&](Stretch& stretch) {
      for (const Touch& old : stretch.touches) {
        if (old.place == touch.place) continue;
        const NetNeed need{old.op, touch.op, touch.iteration - old.iteration};
        if (needs_.empty() || !(needs_.back() == need)) needs_.push_back(need);
      }
      // Where this write may be left out, the next one still meets those before it.
      const bool sure = Index(net_.op(touch.op).region) == 0;
      std::erase_if(stretch.touches,
                    [&](const Touch& old) { return sure || old.place == touch.place; });
      stretch.touches.push_back(touch);
    });
  }

  template <typename Visit>
  void Each(const NetBuffer& buffer, Visit visit) {
    if (buffer.bytes == 0) return;
    std::map<uint64_t, Stretch>& memory = memory_[Index(buffer.memory)];
    const uint64_t end = buffer.offset + buffer.bytes;
    Split(memory, buffer.offset);
    Split(memory, end);
    for (auto it = memory.find(buffer.offset); it != memory.end() && it->first < end; ++it) {
      visit(it->second);
    }
  }
  static void Split(std::map<uint64_t, Stretch>& memory, uint64_t at) {
    auto it = memory.upper_bound(at);
    if (it == memory.begin()) return;
    --it;
    if (it->first == at || at >= it->second.end) return;
    Stretch tail = it->second;
    it->second.end = at;
    memory.emplace(at, std::move(tail));
  }

  const TaskNet& net_;
  const std::vector<PlaceId>& place_of_;
  const NetPlan& plan_;
  std::vector<std::map<uint64_t, Stretch>> memory_;  // by memory: from its first byte
  std::vector<NetNeed> needs_;
};

}  // namespace

std::vector<NetNeed> ReuseNeeds(const TaskNet& net, const std::vector<NetOpId>& order,
                                const std::vector<PlaceId>& place_of, const NetPlan& plan) {
  return ReuseFinder(net, place_of, plan).Find(order);
}

}  // namespace tinyai
