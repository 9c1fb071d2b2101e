#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "plan/check_parts.h"

// What the checker remembers of every byte of the arena while it follows a plan's queues.
namespace tinyai {

using Knowledge = std::array<uint64_t, kPlanQueues>;  // steps of each queue known to have finished

// What bytes hold. File bytes are told by the distance between file and arena, so that neighbouring
// loads of one file join up.
struct Content {
  enum class Kind : uint8_t { kNothing, kFile, kValue, kCache, kRows } kind = Kind::kNothing;
  uint64_t id = 0;     // part, value, layer or weight
  uint64_t phase = 0;  // kFile: file offset - arena offset; kValue, kRows: pass
  bool operator==(const Content&) const = default;
};

// How the workers of the CPU queue share an access: worker of a row fixed, or free.
enum class Share : uint8_t { kRows, kLastRow, kFree };

// Who touched bytes on the CPU queue, and when.
struct Toucher {
  uint64_t epoch = 0;  // joins so far; 0: never touched
  size_t op = 0;
  Share share = Share::kFree;
  std::pair<uint64_t, uint64_t> range;
  bool operator==(const Toucher&) const = default;
};

// What is known of some bytes in a row.
struct Interval {
  uint64_t end = 0;
  Content content;
  size_t writer = 0;
  uint64_t writer_step = 0;  // absolute, counted from 1; 0: never written
  Knowledge readers{};       // last absolute step that read it, per queue
  Toucher written_by;
  std::vector<Toucher> read_by;  // since the last join that anyone read it after
};

// The bytes of an arena, as intervals that were all touched alike. `Interval` has an `end`.
template <typename Interval>
class WatchedMemory {
 public:
  explicit WatchedMemory(uint64_t size) { intervals_[0].end = size; }

  // Calls visit(begin, interval) for all that is in [begin, end), split so that it fits exactly.
  template <typename Visit>
  Status Each(uint64_t begin, uint64_t end, Visit visit) {
    Split(begin);
    Split(end);
    for (auto it = intervals_.find(begin); it != intervals_.end() && it->first < end; ++it) {
      TRY(visit(it->first, it->second));
    }
    return {};
  }
  // One interval of [begin, end).
  Interval& Replace(uint64_t begin, uint64_t end) {
    Split(begin);
    Split(end);
    const auto first = intervals_.find(begin);
    intervals_.erase(std::next(first), intervals_.lower_bound(end));
    first->second.end = end;
    return first->second;
  }

 private:
  void Split(uint64_t at) {
    auto it = intervals_.upper_bound(at);
    if (it == intervals_.begin()) return;
    --it;
    if (it->first == at || at >= it->second.end) return;
    Interval tail = it->second;
    it->second.end = at;
    intervals_.emplace(at, tail);
  }
  std::map<uint64_t, Interval> intervals_;
};

}  // namespace tinyai
