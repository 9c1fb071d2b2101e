#include "plan/assign_offsets.h"

#include <algorithm>
#include <numeric>

namespace tinyai {
namespace {

// The placed items by time, so that finding those that live at the same time as another costs no
// more than their number and the length of its life.
class Timetable {
 public:
  explicit Timetable(const std::vector<Lifetime>& lifetimes) : lifetimes_(lifetimes) {
    size_t end = 0;
    for (const Lifetime& item : lifetimes) end = std::max(end, item.end + 1);
    alive_.resize(end);
    born_.resize(end);
  }

  void Add(size_t index) {
    born_[lifetimes_[index].begin].push_back(index);
    for (size_t at = lifetimes_[index].begin; at <= lifetimes_[index].end; ++at) {
      alive_[at].push_back(index);
    }
  }

  // Each once: those alive when it begins, then those that begin within its life.
  void Contemporaries(const Lifetime& item, std::vector<size_t>& out) const {
    out = alive_[item.begin];
    for (size_t at = item.begin + 1; at <= item.end; ++at) {
      out.insert(out.end(), born_[at].begin(), born_[at].end());
    }
  }

 private:
  const std::vector<Lifetime>& lifetimes_;
  std::vector<std::vector<size_t>> alive_, born_;
};

}  // namespace

uint64_t AssignOffsets(const std::vector<Lifetime>& lifetimes, std::vector<uint64_t>& offsets) {
  std::vector<size_t> by_size(lifetimes.size());
  std::iota(by_size.begin(), by_size.end(), size_t{0});
  std::stable_sort(by_size.begin(), by_size.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });
  offsets.assign(lifetimes.size(), 0);
  uint64_t height = 0;
  Timetable placed(lifetimes);
  std::vector<size_t> others;
  for (const size_t index : by_size) {
    const uint64_t bytes = lifetimes[index].bytes;
    placed.Contemporaries(lifetimes[index], others);
    std::sort(others.begin(), others.end(),
              [&](size_t a, size_t b) { return offsets[a] < offsets[b]; });
    uint64_t offset = 0;  // the lowest gap between them
    for (const size_t other : others) {
      if (offsets[other] >= offset + bytes) break;
      offset = std::max(offset, offsets[other] + lifetimes[other].bytes);
    }
    offsets[index] = offset;
    height = std::max(height, offset + bytes);
    placed.Add(index);
  }
  return height;
}

uint64_t MostBytesAlive(const std::vector<Lifetime>& lifetimes) {
  std::vector<std::pair<size_t, size_t>> births, deaths;  // moment and index
  for (size_t i = 0; i < lifetimes.size(); ++i) {
    births.emplace_back(lifetimes[i].begin, i);
    deaths.emplace_back(lifetimes[i].end, i);
  }
  std::sort(births.begin(), births.end());
  std::sort(deaths.begin(), deaths.end());
  uint64_t alive = 0, most = 0;
  size_t dead = 0;
  for (const auto& [moment, index] : births) {
    for (; deaths[dead].first < moment; ++dead) alive -= lifetimes[deaths[dead].second].bytes;
    alive += lifetimes[index].bytes;
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace tinyai
