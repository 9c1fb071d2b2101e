#include "program/sort_lines.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace tinyai {

void SortLines(const TaskNet& net, Wishes& wishes) {
  std::vector<NetNeed> needs = Needs(net);
  std::erase_if(needs, [](const NetNeed& need) { return need.distance != 0; });
  std::vector<std::optional<NetOpId>> last(net.places.size());
  for (const WishedLine& line : wishes.lines) {
    for (const NetOpId op : line.ops) {
      std::optional<NetOpId>& before = last[Index(line.place)];
      if (before) needs.push_back({*before, op});
      before = op;
    }
  }
  const NeedLists after = NeedLists::ByEarlier(needs, net.ops.size());
  std::vector<uint32_t> missing(net.ops.size(), 0);
  for (const NetNeed& need : needs) ++missing[Index(need.later)];
  // Of those that may come next the one that is listed first; others come as soon as they can.
  const auto line_of = [&](size_t op) {
    const bool listed = op < wishes.line_of.size() && wishes.line_of[op].has_value();
    return listed ? *wishes.line_of[op] + 1 : 0;
  };
  using Ready = std::pair<uint32_t, size_t>;
  std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
  for (size_t op = 0; op < net.ops.size(); ++op) {
    if (missing[op] == 0) ready.emplace(line_of(op), op);
  }
  std::vector<size_t> at(net.ops.size(), 0);
  size_t count = 0;
  while (!ready.empty()) {
    const size_t op = ready.top().second;
    ready.pop();
    at[op] = count++;
    for (const NetNeed& need : after.of(NetOpId(op))) {
      if (--missing[Index(need.later)] == 0)
        ready.emplace(line_of(Index(need.later)), Index(need.later));
    }
  }
  if (count != net.ops.size()) return;
  std::vector<uint32_t> order(wishes.lines.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return at[Index(wishes.lines[a].ops.back())] < at[Index(wishes.lines[b].ops.back())];
  });
  std::vector<WishedLine> lines;
  std::vector<uint32_t> now(order.size());
  for (const uint32_t line : order) {
    now[line] = static_cast<uint32_t>(lines.size());
    lines.push_back(std::move(wishes.lines[line]));
  }
  wishes.lines = std::move(lines);
  for (std::optional<uint32_t>& line : wishes.line_of) {
    if (line) line = now[*line];
  }
  for (auto& [name, fence] : wishes.fences) fence.line = now[fence.line];
}

}  // namespace tinyai
