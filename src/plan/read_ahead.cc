#include <algorithm>
#include <vector>

#include "plan/draft.h"

namespace tinyai {
namespace {

constexpr size_t kNever = ~size_t{0};

// Places in the order of the ops stand for points of time: before that op.
class Points {
 public:
  Points(const PlanDraft& draft, const ModelWishes& wishes)
      : draft_(draft), wishes_(wishes), at_(draft.order.size()) {
    for (size_t i = 0; i < draft.order.size(); ++i) at_[Index(draft.order[i])] = i;
    needed_.assign(draft.graph.weights.size(), kNever);
    for (const Slice& slice : draft.slices) needed_[Index(slice.weight)] = at_[Index(slice.op)];
    not_before_.resize(draft.graph.weights.size());
    for (const ModelWishes::Meeting& meeting : wishes.loads_after) {
      if (meeting.distance != 0) continue;  // every point of this pass is after that
      size_t& point = not_before_[Index(meeting.weight)];
      for (const OpId op : wishes.groups[meeting.group]) {
        point = std::max(point, at_[Index(op)] + 1);
      }
    }
    wanted_ = needed_;
    for (const ModelWishes::Ahead& ahead : wishes.ahead) {
      size_t& point = wanted_[Index(ahead.weight)];
      size_t group = ahead.group ? kNever : 0;
      for (const OpId op : ahead.group ? wishes.groups[*ahead.group] : std::vector<OpId>()) {
        group = std::min(group, at_[Index(op)]);
      }
      point = std::min(point, std::max(group, not_before_[Index(ahead.weight)]));
    }
    FollowTheList();
  }

  // When the weight is loaded, and whether it then waits for its op.
  size_t wanted(WeightId id) const { return wanted_[Index(id)]; }
  size_t needed(WeightId id) const { return needed_[Index(id)]; }
  bool waits(WeightId id) const { return waits_[Index(id)]; }

 private:
  void FollowTheList() {
    const std::vector<ModelWishes::Loaded>& list = wishes_.loads;
    size_t next = kNever;
    for (size_t i = list.size(); i-- > 0;) {  // no later than what is listed behind it
      size_t& point = wanted_[Index(list[i].weight)];
      point = std::max(std::min(point, next), not_before_[Index(list[i].weight)]);
      next = point;
    }
    size_t behind = 0;
    for (const ModelWishes::Loaded& one : list) {
      size_t& point = wanted_[Index(one.weight)];
      if (one.ahead) {
        point = std::min(point, std::max(behind, not_before_[Index(one.weight)]));
      }
      behind = point < needed_[Index(one.weight)] ? point : point + 1;
    }
    waits_.resize(wanted_.size());
    for (size_t id = 0; id < wanted_.size(); ++id) waits_[id] = wanted_[id] < needed_[id];
    for (size_t i = list.size(); i-- > 1;) {  // what comes before one that waits there waits too
      const size_t one = Index(list[i - 1].weight), after = Index(list[i].weight);
      if (waits_[after] && wanted_[one] == wanted_[after]) waits_[one] = true;
    }
  }

  const PlanDraft& draft_;
  const ModelWishes& wishes_;
  std::vector<size_t> at_;                            // by op
  std::vector<size_t> needed_, wanted_, not_before_;  // by weight
  std::vector<bool> waits_;
};

}  // namespace

void ReadAhead(PlanDraft& draft) {
  const ModelWishes* const wishes = draft.request.wishes;
  draft.ahead.clear();
  draft.ahead_slots = 0;
  if (wishes == nullptr || (wishes->loads.empty() && wishes->ahead.empty())) return;
  const Points points(draft, *wishes);
  draft.ahead.resize(draft.order.size() + 1);
  std::vector<bool> taken(draft.graph.weights.size());
  const auto take = [&](WeightId id) {
    if (points.waits(id) && !taken[Index(id)]) draft.ahead[points.wanted(id)].push_back(id);
    taken[Index(id)] = true;
  };
  for (const ModelWishes::Loaded& one : wishes->loads) take(one.weight);
  for (const ModelWishes::Ahead& one : wishes->ahead) take(one.weight);

  std::vector<int64_t> change(draft.order.size() + 2);  // slots in use, by point
  for (const Slice& slice : draft.slices) {
    const bool streams = slice.can_stream && slice.stay != ModelWishes::Stay::kPinned;
    if (!streams || !points.waits(slice.weight)) continue;
    ++change[points.wanted(slice.weight)];
    --change[points.needed(slice.weight) + 1];
  }
  int64_t slots = 0, most = 0;
  for (const int64_t by : change) most = std::max(most, slots += by);
  draft.ahead_slots = static_cast<uint64_t>(most);
}

}  // namespace tinyai
