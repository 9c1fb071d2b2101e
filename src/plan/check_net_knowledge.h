#pragma once

#include <cstdint>
#include <vector>

#include "plan/net_plan.h"

namespace tinyai {

// What the checker of net plans knows of each queue's knowledge of the others, while it follows
// them: its own vector clocks. Positions count the commands of a place from the start, over all
// rounds. What is learnt in an arm is known there only, also where a place comes back to it, unless
// both arms of an `if` learn it.
class QueueKnowledge {
 public:
  // Both outlive this object; `rounds` of the queues are followed.
  QueueKnowledge(const TaskNet& net, const NetPlan& plan, uint64_t rounds);

  // The place comes to a command of this region; at the first of a round all arms are open again.
  void Enter(size_t place, size_t region) {
    if (scopes_[place].back().region != region) EnterOther(place, region);
  }
  void BeginRound(size_t place);
  // It has finished so many commands.
  void Advance(size_t place, uint64_t done) {
    for (Scope& scope : scopes_[place]) scope.known[place] = done;
  }
  // What it knows now is what the fence tells in this round.
  void Record(size_t fence, uint64_t round, size_t place);
  // The place hears what a fence told in a round. `same_round`: as the place is in. Whether that
  // was news; `position` is that of the fence's command.
  bool Learn(size_t place, size_t fence, uint64_t round, bool same_round, uint64_t position);

  bool IsKnown(size_t place, size_t other, uint64_t position) const {
    return position == 0 || scopes_[place].back().known[other] >= position;
  }
  // Whether the place is in an arm, whose commands may be left out.
  bool InArm(size_t place) const { return scopes_[place].size() > 1; }

 private:
  using Vector = std::vector<uint64_t>;
  struct Scope {
    size_t region;
    Vector known;
  };
  // What a queue knew at a fence: a vector for each region around it, outermost first.
  struct Recorded {
    size_t region = 0;   // the innermost
    size_t vectors = 0;  // where they begin
    uint64_t left = 0;   // how many arms its queue had left before
  };
  // What a queue knew at the end of an arm.
  struct LeftArm {
    uint64_t number = 0;  // of those that it left, from 1
    uint64_t round = 0;
    Vector known;
  };

  // The regions around one, outermost first.
  std::vector<size_t> Path(size_t region) const;
  void EnterOther(size_t place, size_t region);
  void JoinArms(size_t place, const Scope& ended);
  // The place is in arms of `round` that the queue of a fence may have left: adds what it knew
  // there.
  void HearOfArms(size_t place, size_t other, const Recorded& theirs, uint64_t round,
                  Vector& heard) const;

  const TaskNet& net_;
  const NetPlan& plan_;
  const uint64_t rounds_;
  std::vector<std::vector<Scope>> scopes_;                    // by place: the whole net outermost
  std::vector<size_t> other_arm_;                             // by region; 0: none
  std::vector<std::vector<Vector>> ended_arms_;               // by place and region
  std::vector<std::vector<std::vector<LeftArm>>> left_arms_;  // by place and region, in order
  std::vector<uint64_t> left_;                                // by place: how many in all
  std::vector<uint64_t> begun_;                               // by place: rounds
  std::vector<Recorded> recorded_;                            // by fence and round
  Vector vectors_;                                            // what was recorded
  Vector heard_;                                              // of a fence, by one who learns it
};

}  // namespace tinyai
