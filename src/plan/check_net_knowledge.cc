#include "plan/check_net_knowledge.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace tinyai {

QueueKnowledge::QueueKnowledge(const TaskNet& net, const NetPlan& plan, uint64_t rounds)
    : net_(net),
      plan_(plan),
      rounds_(rounds),
      scopes_(net.places.size(), {Scope{0, Vector(net.places.size(), 0)}}),
      other_arm_(net.regions.size(), 0),
      ended_arms_(net.places.size(), std::vector<Vector>(net.regions.size())),
      left_arms_(net.places.size(), std::vector<std::vector<LeftArm>>(net.regions.size())),
      left_(net.places.size(), 0),
      begun_(net.places.size(), 0),
      recorded_(plan.fences.size() * rounds) {
  vectors_.reserve(recorded_.size() * net.places.size());
  std::map<std::tuple<RegionId, NetValueId, bool>, size_t> arms;
  for (size_t i = 1; i < net.regions.size(); ++i) {
    const NetRegion& arm = net.regions[i];
    if (!arm.condition) continue;
    arms[{arm.parent, *arm.condition, arm.arm}] = i;
    const auto other = arms.find({arm.parent, *arm.condition, !arm.arm});
    if (other == arms.end()) continue;
    other_arm_[i] = other->second;
    other_arm_[other->second] = i;
  }
}

std::vector<size_t> QueueKnowledge::Path(size_t region) const {
  std::vector<size_t> path = {region};
  while (path.back() != 0) path.push_back(Index(net_.regions[path.back()].parent));
  std::reverse(path.begin(), path.end());
  return path;
}

void QueueKnowledge::BeginRound(size_t place) {
  Enter(place, 0);
  ++begun_[place];
  ended_arms_[place].assign(net_.regions.size(), {});
}

void QueueKnowledge::EnterOther(size_t place, size_t region) {
  if (net_.in_turns) return;  // arms are passed whether or not they are taken
  std::vector<Scope>& scopes = scopes_[place];
  const std::vector<size_t> path = Path(region);
  const auto on_path = [&](size_t depth) {
    return depth < path.size() && path[depth] == scopes[depth].region;
  };
  while (!on_path(scopes.size() - 1)) {
    const Scope ended = std::move(scopes.back());
    scopes.pop_back();
    JoinArms(place, ended);
  }
  while (scopes.size() < path.size()) {
    const size_t inner = path[scopes.size()];
    scopes.push_back({inner, scopes.back().known});
    // Who comes back to an arm was there before, so nothing is forgotten.
    const Vector& before = ended_arms_[place][inner];
    Vector& known = scopes.back().known;
    for (size_t p = 0; p < before.size(); ++p) known[p] = std::max(known[p], before[p]);
  }
}

// What both arms of an `if` know is known after it.
void QueueKnowledge::JoinArms(size_t place, const Scope& ended) {
  ended_arms_[place][ended.region] = ended.known;
  left_arms_[place][ended.region].push_back({++left_[place], begun_[place] - 1, ended.known});
  const Vector& other = ended_arms_[place][other_arm_[ended.region]];
  Vector& outer = scopes_[place].back().known;
  for (size_t p = 0; p < other.size(); ++p) {
    outer[p] = std::max(outer[p], std::min(ended.known[p], other[p]));
  }
}

void QueueKnowledge::Record(size_t fence, uint64_t round, size_t place) {
  recorded_[fence * rounds_ + round] = {scopes_[place].back().region, vectors_.size(),
                                        left_[place]};
  for (const Scope& scope : scopes_[place]) {
    vectors_.insert(vectors_.end(), scope.known.begin(), scope.known.end());
  }
}

bool QueueKnowledge::Learn(size_t place, size_t fence, uint64_t round, bool same_round,
                           uint64_t position) {
  Vector& known = scopes_[place].back().known;
  // Of what the other knew in regions that this command is not in, nothing is sure, nor of what
  // it knew in another iteration, which may have taken other arms.
  const Recorded& theirs = recorded_[fence * rounds_ + round];
  size_t depth = 0;
  if (same_round && theirs.region != 0) {
    const std::vector<size_t> from = Path(theirs.region);
    const std::vector<Scope>& to = scopes_[place];
    while (depth + 1 < from.size() && depth + 1 < to.size() &&
           from[depth + 1] == to[depth + 1].region) {
      ++depth;
    }
  }
  const auto vector =
      vectors_.begin() + static_cast<ptrdiff_t>(theirs.vectors + depth * known.size());
  Vector& heard = heard_;
  heard.assign(vector, vector + static_cast<ptrdiff_t>(known.size()));
  const size_t other = Index(plan_.fences[fence].place);
  if (same_round) HearOfArms(place, other, theirs, round, heard);
  bool news = known[other] < position;
  for (size_t p = 0; p < known.size(); ++p) {
    news = news || heard[p] > known[p];
    known[p] = std::max(known[p], heard[p]);
  }
  known[other] = std::max(known[other], position);
  return news;
}

// Who is in an arm knows that whoever came by took it too.
void QueueKnowledge::HearOfArms(size_t place, size_t other, const Recorded& theirs, uint64_t round,
                                Vector& heard) const {
  for (size_t depth = 1; depth < scopes_[place].size(); ++depth) {
    const std::vector<LeftArm>& all = left_arms_[other][scopes_[place][depth].region];
    for (auto arm = all.rbegin(); arm != all.rend() && arm->round >= round; ++arm) {
      if (arm->round != round || arm->number > theirs.left) continue;
      for (size_t p = 0; p < heard.size(); ++p) heard[p] = std::max(heard[p], arm->known[p]);
      break;
    }
  }
}

}  // namespace tinyai
