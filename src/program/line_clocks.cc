#include "program/line_clocks.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "plan/vector_clocks.h"

namespace tinyai {

LineClocks::LineClocks(const Wishes& wishes, const TaskNet& net)
    : net_(net), lessons_(net.places.size()) {
  if (net.fixed_syncs.empty()) return;
  VectorClocks clocks(net);
  std::unordered_map<size_t, VectorClocks::Moment> told;   // by the mark of a fence
  std::unordered_map<size_t, std::vector<NetOpId>> waits;  // by that of a sync
  for (const NetFixedSync& sync : net.fixed_syncs) {
    if (sync.distance != 0) continue;
    told.try_emplace(Index(sync.recorder));
    waits[Index(sync.waiter)].push_back(sync.recorder);
  }
  std::vector<std::optional<uint32_t>> last(net.places.size());  // line
  const auto note = [&](size_t place, RegionId region, uint32_t line) {
    Lesson& lesson = lessons_[place][region].emplace_back();
    lesson.line = line;
    for (size_t other = 0; other < net.places.size(); ++other) {
      lesson.known.push_back(clocks.Of(place, other));
    }
  };
  for (uint32_t i = 0; i < wishes.lines.size(); ++i) {
    const WishedLine& line = wishes.lines[i];
    const size_t place = Index(line.place);
    clocks.Enter(place, line.region);
    if (last[place] && wishes.lines[*last[place]].region != line.region) {
      note(place, line.region, *last[place]);  // what both arms know
    }
    last[place] = i;
    for (const NetOpId op : line.ops) {
      const auto recorders = waits.find(Index(op));
      if (recorders == waits.end()) continue;
      for (const NetOpId recorder : recorders->second) {
        const uint32_t fence = *wishes.line_of[Index(recorder)];
        const size_t from = Index(wishes.lines[fence].place);
        clocks.Learn(place, clocks.Heard(place, told.at(Index(recorder)), from, fence + 1, true),
                     from, fence + 1);
      }
      note(place, line.region, i);
    }
    clocks.Advance(place, i + 1);
    for (const NetOpId op : line.ops) {
      if (const auto moment = told.find(Index(op)); moment != told.end()) {
        moment->second = clocks.Remember(place);
      }
    }
  }
}

std::optional<LineClocks::Learning> LineClocks::LearnsOf(size_t place, RegionId region,
                                                         size_t other, uint32_t line) const {
  std::optional<Learning> first;
  for (const auto& [known_in, lessons] : lessons_[place]) {
    if (!IsInside(net_, region, known_in)) continue;
    const auto at =
        std::upper_bound(lessons.begin(), lessons.end(), line,
                         [&](uint32_t l, const Lesson& lesson) { return l < lesson.known[other]; });
    if (at == lessons.end() || (first && first->line <= at->line)) continue;
    first = {at->line, static_cast<uint32_t>(at->known[other])};
  }
  return first;
}

}  // namespace tinyai
