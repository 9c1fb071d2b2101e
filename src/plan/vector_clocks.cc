#include "plan/vector_clocks.h"

#include <algorithm>
#include <map>
#include <utility>

namespace tinyai {
namespace {

// `other` null: nothing.
void Join(std::vector<uint64_t>& known, const uint64_t* other) {
  for (size_t i = 0; other != nullptr && i < known.size(); ++i) {
    known[i] = std::max(known[i], other[i]);
  }
}

}  // namespace

VectorClocks::VectorClocks(const TaskNet& net) : net_(net), places_(net.places.size()) {
  for (Place& place : places_) {
    place.frames.push_back({RegionId{}, std::vector<uint64_t>(net.places.size(), 0)});
    place.arms.resize(net.regions.size() > 1 ? net.regions.size() : 0);
  }
  other_arm_.assign(net.regions.size(), 0);
  std::map<std::pair<RegionId, NetValueId>, size_t> ifs;  // by what is around and the condition
  for (size_t i = 1; i < net.regions.size(); ++i) {
    const NetRegion& arm = net.regions[i];
    if (!arm.condition) continue;
    const auto [first, added] = ifs.try_emplace({arm.parent, *arm.condition}, i);
    if (added) continue;
    other_arm_[i] = first->second;
    other_arm_[first->second] = i;
  }
}

uint32_t VectorClocks::Depth(RegionId region) const {
  uint32_t depth = 0;
  for (; Index(region) != 0; region = net_.regions[Index(region)].parent) ++depth;
  return depth;
}

RegionId VectorClocks::Ancestor(RegionId region, uint32_t depth) const {
  for (uint32_t at = Depth(region); at > depth; --at) region = net_.regions[Index(region)].parent;
  return region;
}

void VectorClocks::Leave(size_t at) {
  Place& place = places_[at];
  const Frame ended = std::move(place.frames.back());
  place.frames.pop_back();
  std::vector<uint64_t>& parent = place.frames.back().known;
  if (const uint64_t* const known = Last(place, other_arm_[Index(ended.region)])) {
    for (size_t i = 0; i < parent.size(); ++i) {
      parent[i] = std::max(parent[i], std::min(ended.known[i], known[i]));
    }
  }
  place.arms[Index(ended.region)].push_back({ended.known[at], remembered_.size()});
  remembered_.insert(remembered_.end(), ended.known.begin(), ended.known.end());
}

void VectorClocks::Enter(size_t at, RegionId region) {
  Place& place = places_[at];
  if (place.frames.back().region == region || net_.in_turns) return;
  const uint32_t depth = Depth(region);
  while (place.frames.size() > depth + 1 ||
         place.frames.back().region !=
             Ancestor(region, static_cast<uint32_t>(place.frames.size()) - 1)) {
    Leave(at);
  }
  while (place.frames.size() <= depth) {
    const RegionId next = Ancestor(region, static_cast<uint32_t>(place.frames.size()));
    place.frames.push_back({next, place.frames.back().known});
    Join(place.frames.back().known, Last(place, Index(next)));
  }
}

void VectorClocks::EndIteration(size_t at) {
  Enter(at, {});
  for (std::vector<Ended>& arm : places_[at].arms) arm.clear();
}

// Own commands are passed in order, whichever are carried out.
void VectorClocks::Advance(size_t place, uint64_t position) {
  for (Frame& frame : places_[place].frames) frame.known[place] = position;
}

VectorClocks::Moment VectorClocks::Remember(size_t at) {
  const Place& place = places_[at];
  const size_t before = remembered_.size() / places_.size();
  const Moment moment{place.frames.back().region, static_cast<uint32_t>(before)};
  for (size_t i = place.frames.size(); i > 0; --i) {
    const std::vector<uint64_t>& known = place.frames[i - 1].known;
    remembered_.insert(remembered_.end(), known.begin(), known.end());
  }
  return moment;
}

// What was known in a region that the place is not in may not hold there. Where it is in an arm
// that the other one had left, that one went through it.
const uint64_t* VectorClocks::Heard(size_t at, const Moment& moment, size_t from, uint64_t position,
                                    bool same_iteration) {
  const std::vector<Frame>& frames = places_[at].frames;
  const auto is_here = [&](RegionId id) {
    if (!same_iteration) return Index(id) == 0;
    return std::any_of(frames.begin(), frames.end(),
                       [&](const Frame& frame) { return frame.region == id; });
  };
  size_t skip = 0;
  for (RegionId region = moment.region; !is_here(region);
       region = net_.regions[Index(region)].parent) {
    ++skip;
  }
  const uint64_t* const heard = &remembered_[(moment.vectors + skip) * net_.places.size()];
  if (!same_iteration || frames.size() == 1) return heard;
  heard_.assign(heard, heard + net_.places.size());
  for (size_t i = 1; i < frames.size(); ++i) {
    const std::vector<Ended>& all = places_[from].arms[Index(frames[i].region)];
    const auto after =
        std::lower_bound(all.begin(), all.end(), position,
                         [](const Ended& ended, uint64_t until) { return ended.position < until; });
    if (after != all.begin()) Join(heard_, &remembered_[std::prev(after)->vector]);
  }
  return heard_.data();
}

void VectorClocks::Learn(size_t at, const uint64_t* heard, size_t from, uint64_t position) {
  std::vector<uint64_t>& known = places_[at].frames.back().known;
  Join(known, heard);
  known[from] = std::max(known[from], position);
}

}  // namespace tinyai
