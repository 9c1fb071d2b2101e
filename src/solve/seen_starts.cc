#include "solve/seen_starts.h"

#include <algorithm>

namespace tinyai {
namespace {

constexpr size_t kHeader = 4;
constexpr size_t kWordsPerSlot = 64;
constexpr int kMostSteps = 16;  // along a slot: newer records are more like what is asked for

size_t SlotsFor(size_t words) {
  size_t slots = 1024;
  while (slots < words / kWordsPerSlot) slots *= 2;
  return slots;
}

}  // namespace

SeenStarts::SeenStarts(size_t most_memory_bytes)
    : most_words_(most_memory_bytes / 8), first_(SlotsFor(most_words_)), words_(1) {}

size_t SeenStarts::Slot(std::span<const uint64_t> started) const {
  uint64_t hash = 0;
  for (const uint64_t word : started) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
    hash ^= hash >> 32;
  }
  return hash & (first_.size() - 1);
}

bool SeenStarts::CoversRecord(size_t record, const State& state) const {
  const uint64_t* const at = &words_[record];
  if (static_cast<int64_t>(at[1]) > state.now ||
      static_cast<int64_t>(at[2]) > state.weighted_starts ||
      !std::equal(state.started.begin(), state.started.end(), at + kHeader)) {
    return false;
  }
  const uint64_t* const running = at + kHeader + state.started.size();
  return std::all_of(running, running + at[3], [&](uint64_t one) {
    if (End(one) <= state.now) return true;
    return std::any_of(state.running.begin(), state.running.end(),
                       [&](uint64_t other) { return Task(one) == Task(other) && one <= other; });
  });
}

bool SeenStarts::Covers(const State& state) const {
  size_t record = first_[Slot(state.started)];
  for (int steps = 0; record != 0 && steps < kMostSteps; ++steps) {
    if (CoversRecord(record, state)) return true;
    record = words_[record];
  }
  return false;
}

void SeenStarts::Add(const State& state) {
  const size_t size = kHeader + state.started.size() + state.running.size();
  if (words_.size() + size > most_words_) return;
  uint64_t& first = first_[Slot(state.started)];
  const size_t record = words_.size();
  words_.insert(words_.end(), {first, static_cast<uint64_t>(state.now),
                               static_cast<uint64_t>(state.weighted_starts),
                               static_cast<uint64_t>(state.running.size())});
  words_.insert(words_.end(), state.started.begin(), state.started.end());
  words_.insert(words_.end(), state.running.begin(), state.running.end());
  first = record;
}

}  // namespace tinyai
