#include "device/submit_order.h"

#include <algorithm>

namespace tinyai {
namespace {

class SubmitOrder {
 public:
  explicit SubmitOrder(const RunState& state)
      : state_(state), queues_(state.program.plan.queues), next_(queues_.size()) {}

  std::vector<NetFence> Find() {
    for (bool moved = true; moved;) {
      moved = false;
      for (uint32_t place = 0; place < queues_.size(); ++place) {
        while (next_[place] < queues_[place].size() && IsReady(place) && IsGangReady(place)) {
          Take(place);
          moved = true;
        }
      }
    }
    return std::move(order_);
  }

 private:
  const NetCommand& Next(uint32_t place) const { return queues_[place][next_[place]]; }
  bool IsReady(uint32_t place) const {
    const NetSyncs& syncs = Next(place).syncs;
    return std::all_of(syncs.begin(), syncs.end(), [&](const NetSync& sync) {
      const NetFence& fence = state_.program.plan.fences[sync.fence];
      return sync.distance > 0 || next_[Index(fence.place)] > fence.command;
    });
  }
  uint32_t GangOf(const NetCommand& command) const {
    return state_.program.net.op(command.op).gang;
  }
  // All of a loop on the GPU can begin.
  bool IsGangReady(uint32_t place) const {
    const uint32_t gang = GangOf(Next(place));
    if (gang == 0 || !state_.places[place]->on_gpu) return true;
    for (uint32_t other = 0; other < queues_.size(); ++other) {
      if (!state_.places[other]->on_gpu) continue;
      for (uint32_t at = next_[other]; at < queues_[other].size(); ++at) {
        if (GangOf(queues_[other][at]) == gang && (at != next_[other] || !IsReady(other))) {
          return false;
        }
      }
    }
    return true;
  }
  void Take(uint32_t place) {
    const uint32_t gang = GangOf(Next(place));
    TakeOne(place);
    for (uint32_t other = 0; other < queues_.size() && gang != 0; ++other) {
      const bool member = state_.places[place]->on_gpu && state_.places[other]->on_gpu &&
                          next_[other] < queues_[other].size() && GangOf(Next(other)) == gang;
      if (member) TakeOne(other);
    }
  }
  void TakeOne(uint32_t place) {
    if (state_.places[place]->on_gpu) order_.push_back({PlaceId(place), next_[place]});
    ++next_[place];
  }

  const RunState& state_;
  const std::vector<std::vector<NetCommand>>& queues_;
  std::vector<uint32_t> next_;
  std::vector<NetFence> order_;
};

}  // namespace

std::vector<NetFence> FindSubmitOrder(const RunState& state) { return SubmitOrder(state).Find(); }

}  // namespace tinyai
