#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tinyai {

// States of a search over schedules that were searched in vain, by the set of started tasks. Full:
// further ones are not kept.
class SeenStarts {
 public:
  struct State {
    int64_t now = 0;
    int64_t weighted_starts = 0;
    std::vector<uint64_t> started;  // a bit per task
    std::vector<uint64_t> running;  // Pack(), those that end after `now`
  };

  // `end` < 2^53, `task` < 2^11.
  static uint64_t Pack(int64_t end, uint32_t task) {
    return static_cast<uint64_t>(end) << 11 | task;
  }
  static int64_t End(uint64_t packed) { return static_cast<int64_t>(packed >> 11); }
  static uint32_t Task(uint64_t packed) { return packed & 2047; }

  explicit SeenStarts(size_t most_memory_bytes);

  // A kept state with the same tasks started that is no later, and in which each of them ends no
  // later or before `state.now`, and no more expensive: whatever can follow `state` can follow it.
  bool Covers(const State& state) const;
  void Add(const State& state);

 private:
  // A record in words_: next record of the slot, now, weighted starts, number of running ones, the
  // bits, the running ones. 0: none.
  bool CoversRecord(size_t record, const State& state) const;
  size_t Slot(std::span<const uint64_t> started) const;

  size_t most_words_;
  std::vector<uint64_t> first_;  // a record per slot
  std::vector<uint64_t> words_;
};

}  // namespace tinyai
