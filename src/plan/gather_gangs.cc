#include <algorithm>
#include <functional>
#include <map>
#include <queue>
#include <utility>

#include "plan/draft_net.h"

namespace tinyai {

void GatherGangs(const TaskNet& net, const std::vector<NetNeed>& needs, NetDraft& draft) {
  if (std::none_of(net.ops.begin(), net.ops.end(), [](const NetOp& op) { return op.gang != 0; })) {
    return;
  }
  std::vector<NetNeed> joined = needs;
  std::erase_if(joined, [](const NetNeed& need) { return need.distance != 0; });
  JoinGangs(net, joined);
  const NeedLists after = NeedLists::ByEarlier(joined, net.ops.size());
  std::vector<uint32_t> missing(net.ops.size(), 0), at(net.ops.size(), 0);
  for (const NetNeed& need : joined) ++missing[Index(need.later)];
  for (uint32_t i = 0; i < draft.order.size(); ++i) at[Index(draft.order[i])] = i;
  // The first op of a gang stands for all of it.
  std::vector<std::vector<NetOpId>> gangs;
  std::vector<bool> stands(net.ops.size(), true);
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const uint32_t gang = net.ops[i].gang;
    if (gang == 0) continue;
    if (gangs.size() <= gang) gangs.resize(gang + 1);
    stands[i] = gangs[gang].empty();
    gangs[gang].push_back(NetOpId(i));
  }
  for (std::vector<NetOpId>& gang : gangs) {
    std::sort(gang.begin(), gang.end(),
              [&](NetOpId a, NetOpId b) { return at[Index(a)] < at[Index(b)]; });
  }
  using Ready = std::pair<uint32_t, NetOpId>;  // by the draft's order
  std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (stands[i] && missing[i] == 0) ready.emplace(at[i], NetOpId(i));
  }
  draft.order.clear();
  while (!ready.empty()) {
    const NetOpId op = ready.top().second;
    ready.pop();
    const uint32_t gang = net.op(op).gang;
    if (gang == 0) {
      draft.order.push_back(op);
    } else {
      draft.order.insert(draft.order.end(), gangs[gang].begin(), gangs[gang].end());
    }
    for (const NetNeed& need : after.of(op)) {
      if (--missing[Index(need.later)] == 0) {
        ready.emplace(at[Index(need.later)], need.later);
      }
    }
  }
  WaitForGangs(net, draft.order, draft.place_of, draft.extra);
  for (uint32_t i = 0; i < draft.order.size(); ++i) at[Index(draft.order[i])] = i;
  std::erase_if(draft.extra, [&](const NetNeed& need) {
    return at[Index(need.earlier)] >= at[Index(need.later)];
  });
}

void WaitForGangs(const TaskNet& net, const std::vector<NetOpId>& order,
                  const std::vector<PlaceId>& place_of, std::vector<NetNeed>& needs) {
  std::map<std::pair<uint32_t, PlaceId>, std::pair<NetOpId, NetOpId>> ends;  // first and last
  const auto key = [&](NetOpId op) { return std::pair(net.op(op).gang, place_of[Index(op)]); };
  for (const NetOpId op : order) {
    if (net.op(op).gang == 0) continue;
    ends.try_emplace(key(op), op, op).first->second.second = op;
  }
  std::erase_if(needs, [&](const NetNeed& need) {
    const uint32_t gang = net.op(need.earlier).gang;
    return need.distance == 0 && gang != 0 && gang == net.op(need.later).gang;
  });
  for (NetNeed& need : needs) {
    if (net.op(need.earlier).gang != 0) need.earlier = ends.at(key(need.earlier)).second;
    if (net.op(need.later).gang != 0) need.later = ends.at(key(need.later)).first;
  }
}

}  // namespace tinyai
