#include "plan/vector_clocks.h"

#include <algorithm>

namespace tinyai {

VectorClocks::VectorClocks(const TaskNet& net) : net_(net), places_(net.places.size()) {
  for (Place& place : places_) {
    place.frames.push_back({RegionId{}, std::vector<uint64_t>(net.places.size(), 0)});
    place.arms.resize(net.regions.size() > 1 ? net.regions.size() : 0);
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

std::optional<size_t> VectorClocks::OtherArm(RegionId region) const {
  const NetRegion& own = net_.regions[Index(region)];
  for (size_t i = 1; i < net_.regions.size(); ++i) {
    const NetRegion& other = net_.regions[i];
    if (other.parent == own.parent && other.condition == own.condition && other.condition &&
        other.arm != own.arm) {
      return i;
    }
  }
  return std::nullopt;
}

void VectorClocks::Leave(Place& place) {
  Frame ended = std::move(place.frames.back());
  place.frames.pop_back();
  std::vector<uint64_t>& parent = place.frames.back().known;
  const auto other = OtherArm(ended.region);
  if (other && place.arms[*other]) {
    for (size_t i = 0; i < parent.size(); ++i) {
      parent[i] = std::max(parent[i], std::min(ended.known[i], place.arms[*other]->known[i]));
    }
  }
  place.arms[Index(ended.region)] = std::move(ended);
}

void VectorClocks::Enter(size_t at, RegionId region) {
  Place& place = places_[at];
  if (place.frames.back().region == region) return;
  const uint32_t depth = Depth(region);
  while (place.frames.size() > depth + 1 ||
         place.frames.back().region !=
             Ancestor(region, static_cast<uint32_t>(place.frames.size()) - 1)) {
    Leave(place);
  }
  while (place.frames.size() <= depth) {
    const RegionId next = Ancestor(region, static_cast<uint32_t>(place.frames.size()));
    place.frames.push_back({next, place.frames.back().known});
    const std::optional<Frame>& before = place.arms[Index(next)];
    if (!before) continue;
    std::vector<uint64_t>& known = place.frames.back().known;
    for (size_t i = 0; i < known.size(); ++i) known[i] = std::max(known[i], before->known[i]);
  }
}

void VectorClocks::EndIteration(size_t at) {
  Enter(at, {});
  for (std::optional<Frame>& arm : places_[at].arms) arm.reset();
}

// Own commands are passed in order, whichever are carried out.
void VectorClocks::Advance(size_t place, uint64_t position) {
  for (Frame& frame : places_[place].frames) frame.known[place] = position;
}

VectorClocks::Moment VectorClocks::Remember(size_t at) {
  const Place& place = places_[at];
  const Moment moment{place.frames.back().region, remembered_.size()};
  for (size_t i = place.frames.size(); i > 0; --i) {
    const std::vector<uint64_t>& known = place.frames[i - 1].known;
    remembered_.insert(remembered_.end(), known.begin(), known.end());
  }
  return moment;
}

// What was known in a region that the place is not in may not hold there.
const uint64_t* VectorClocks::Heard(size_t at, const Moment& moment, bool same_iteration) const {
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
  return &remembered_[moment.vectors + skip * net_.places.size()];
}

void VectorClocks::Learn(size_t at, const uint64_t* heard, size_t from, uint64_t position) {
  std::vector<uint64_t>& known = places_[at].frames.back().known;
  for (size_t i = 0; i < known.size(); ++i) known[i] = std::max(known[i], heard[i]);
  known[from] = std::max(known[from], position);
}

}  // namespace tinyai
