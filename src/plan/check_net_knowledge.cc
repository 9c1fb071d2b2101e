#include "plan/check_net_knowledge.h"

#include <algorithm>
#include <utility>

namespace tinyai {

QueueKnowledge::QueueKnowledge(const TaskNet& net, const NetPlan& plan, uint64_t rounds)
    : net_(net),
      plan_(plan),
      rounds_(rounds),
      scopes_(net.places.size(), {Scope{0, Vector(net.places.size(), 0)}}),
      ended_arms_(net.places.size(), std::vector<Vector>(net.regions.size())),
      recorded_(plan.fences.size() * rounds) {
  vectors_.reserve(recorded_.size() * net.places.size());
}

std::vector<size_t> QueueKnowledge::Path(size_t region) const {
  std::vector<size_t> path = {region};
  while (path.back() != 0) path.push_back(Index(net_.regions[path.back()].parent));
  std::reverse(path.begin(), path.end());
  return path;
}

void QueueKnowledge::BeginRound(size_t place) {
  Enter(place, 0);
  ended_arms_[place].assign(net_.regions.size(), {});
}

void QueueKnowledge::EnterOther(size_t place, size_t region) {
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
  const NetRegion& own = net_.regions[ended.region];
  ended_arms_[place][ended.region] = ended.known;
  for (size_t i = 1; i < net_.regions.size(); ++i) {
    const NetRegion& other = net_.regions[i];
    if (i == ended.region || !own.condition || other.condition != own.condition ||
        other.parent != own.parent || other.arm == own.arm || ended_arms_[place][i].empty()) {
      continue;
    }
    Vector& outer = scopes_[place].back().known;
    for (size_t p = 0; p < outer.size(); ++p) {
      outer[p] = std::max(outer[p], std::min(ended.known[p], ended_arms_[place][i][p]));
    }
  }
}

void QueueKnowledge::Record(size_t fence, uint64_t round, size_t place) {
  recorded_[fence * rounds_ + round] = {scopes_[place].back().region, vectors_.size()};
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
  const uint64_t* const heard = &vectors_[theirs.vectors + depth * known.size()];
  const size_t other = Index(plan_.fences[fence].place);
  bool news = known[other] < position;
  for (size_t p = 0; p < known.size(); ++p) {
    news = news || heard[p] > known[p];
    known[p] = std::max(known[p], heard[p]);
  }
  known[other] = std::max(known[other], position);
  return news;
}

}  // namespace tinyai
