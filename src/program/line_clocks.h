#pragma once

#include <map>
#include <optional>
#include <vector>

#include "program/program_net.h"
#include "program/wishes.h"

namespace tinyai {

// What each place knows of the others by the syncs of a schedule alone, line by line. Lines are
// counted in the order of the text.
class LineClocks {
 public:
  // Both outlive this object; each fence stands in front of its syncs.
  LineClocks(const Wishes& wishes, const TaskNet& net);

  // The first line of `place` behind which it knows, in this region, that `line` of another place
  // has ended, and that all lines of that place before `before` have.
  struct Learning {
    uint32_t line = 0, before = 0;
  };
  std::optional<Learning> LearnsOf(size_t place, RegionId region, size_t other,
                                   uint32_t line) const;

 private:
  // What a place knows after one of its lines, whichever arms but those around it are taken.
  struct Lesson {
    uint32_t line = 0;
    std::vector<uint64_t> known;  // by place: 1 + the last line
  };
  using Lessons = std::vector<Lesson>;  // in the order of lines

  const TaskNet& net_;
  std::vector<std::map<RegionId, Lessons>> lessons_;  // by place and the region it was in
};

}  // namespace tinyai
