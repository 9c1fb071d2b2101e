#include <algorithm>
#include <functional>
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
  for (uint32_t i = 0; i < draft.order.size(); ++i) at[Index(draft.order[i])] = i;
  std::erase_if(draft.extra, [&](const NetNeed& need) {
    const uint32_t gang = net.op(need.earlier).gang;
    return at[Index(need.earlier)] >= at[Index(need.later)] ||
           (gang != 0 && gang == net.op(need.later).gang);
  });
}

}  // namespace tinyai
