#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/plan.h"
#include "plan/watched_memory.h"

// The rules for every byte that the steps of a plan read and write.
namespace tinyai {

// A step of a queue as the checker follows it, and what its queue knows then.
struct CheckedMoment {
  size_t queue = 0, step = 0;
  uint64_t pass = 0;
  uint64_t absolute = 0;             // number of the step since the start, counted from 1
  const Knowledge* known = nullptr;  // of the queue
  uint64_t loaded = 0;               // steps that DISK knows of itself to be done
};

// A memory of a plan: the arena, or the scratch file.
class CheckedMemory {
 public:
  // `plan` outlives it; `name` is for messages.
  CheckedMemory(const Plan& plan, std::string_view name, uint64_t bytes)
      : plan_(plan), name_(name), bytes_(bytes), memory_(bytes) {}

  // PLAN_INVALID unless the bytes hold just this, and were written by a step known to have ended.
  Status Read(const CheckedMoment& now, uint64_t begin, uint64_t bytes, const Content& expected,
              Toucher by, std::string_view what);
  // PLAN_INVALID unless all that read and wrote there before is known to have ended.
  Status Write(const CheckedMoment& now, uint64_t begin, uint64_t bytes, const Content& content,
               Toucher by);

 private:
  bool IsInside(uint64_t begin, uint64_t bytes) const {
    return begin <= bytes_ && bytes <= bytes_ - begin;
  }
  std::string Where(const CheckedMoment& now) const { return StepName(plan_, now.queue, now.step); }
  Status CheckOverwritten(const CheckedMoment& now, const Content& content, const Toucher& by,
                          uint64_t at, const Interval& it) const;

  const Plan& plan_;
  const std::string_view name_;
  const uint64_t bytes_;
  WatchedMemory<Interval> memory_;
};

}  // namespace tinyai
