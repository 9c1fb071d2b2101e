#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/net_plan.h"
#include "plan/task_net.h"

namespace tinyai {

// What each place knows of how far the others are (vector clocks; Mattern 1989), while queues are
// followed command by command. Positions count the commands of a place from the start, over all
// iterations. What is learned inside a region is known there only, also where the place comes
// back to it, unless both arms of an `if` learn it.
class VectorClocks {
 public:
  explicit VectorClocks(const TaskNet& net);

  // The place goes on to a command of this region. In turns of a loop all regions are passed.
  void Enter(size_t place, RegionId region);
  // It begins a new iteration, which may take other arms.
  void EndIteration(size_t place);
  // At least how many commands of `other` have been passed, as far as `place` knows.
  uint64_t Of(size_t place, size_t other) const { return Row(place)[other]; }
  void Advance(size_t place, uint64_t position);

  // What a place knew at one moment, as another learns it: of each region from the innermost
  // outwards a vector, one after the other.
  struct Moment {
    RegionId region{};
    uint32_t vectors = 0;  // those before them
  };
  Moment Remember(size_t place);
  // That at least so many moments will be remembered.
  void Expect(size_t moments) { remembered_.reserve(moments * places_.size()); }
  // How much of what `from` knew at a moment, at this position, holds where `place` is: a vector
  // over all places, valid until the next Remember or Heard. Of another iteration, only what is
  // known whichever arms were taken.
  const uint64_t* Heard(size_t place, const Moment& moment, size_t from, uint64_t position,
                        bool same_iteration);
  void Learn(size_t place, const uint64_t* heard, size_t from, uint64_t position);

 private:
  struct Frame {
    RegionId region{};
    std::vector<uint64_t> known;
  };
  struct Ended {
    uint64_t position = 0;  // of the place
    size_t vector = 0;      // in remembered_
  };
  struct Place {
    std::vector<Frame> frames;             // outermost first
    std::vector<std::vector<Ended>> arms;  // by region: each time it was left in this iteration
  };
  const uint64_t* Last(const Place& place, size_t region) const {
    const std::vector<Ended>& all = place.arms[region];
    return all.empty() ? nullptr : &remembered_[all.back().vector];
  }
  const uint64_t* Row(size_t place) const { return places_[place].frames.back().known.data(); }
  uint32_t Depth(RegionId region) const;
  RegionId Ancestor(RegionId region, uint32_t depth) const;
  void Leave(size_t place);

  const TaskNet& net_;
  std::vector<size_t> other_arm_;  // by region; 0: there is none
  std::vector<Place> places_;
  std::vector<uint64_t> remembered_;
  std::vector<uint64_t> heard_;
};

}  // namespace tinyai
