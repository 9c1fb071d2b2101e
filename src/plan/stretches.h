#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <utility>

namespace tinyai {

// The bytes [0, size) of a memory, cut into stretches that were all touched alike. Whoever writes
// makes one stretch of what it writes, so their number stays near that of the buffers in use.
template <typename Touched>
class Stretches {
 public:
  explicit Stretches(uint64_t size) { stretches_.emplace(0, Stretch{size, Touched()}); }

  // Calls visit(touched) for every stretch of [begin, begin + bytes), cut so that they fit exactly.
  template <typename Visit>
  void Each(uint64_t begin, uint64_t bytes, Visit visit) {
    if (bytes == 0) return;
    const uint64_t end = begin + bytes;
    auto it = CutAt(begin);
    for (; it != stretches_.end() && it->first < end; ++it) {
      if (it->second.end > end) CutAt(end);
      visit(it->second.touched);
    }
  }

  // Makes one stretch of [begin, begin + bytes) and returns what is to be known of it from now on;
  // visit is called for the old ones before.
  template <typename Visit>
  Touched& Join(uint64_t begin, uint64_t bytes, Visit visit) {
    Each(begin, bytes, visit);
    const auto first = CutAt(begin);
    stretches_.erase(std::next(first), stretches_.lower_bound(begin + bytes));
    first->second.end = begin + bytes;
    return first->second.touched;
  }

 private:
  struct Stretch {
    uint64_t end;
    Touched touched;
  };
  using Map = std::map<uint64_t, Stretch>;

  // The stretch that begins at `at`.
  typename Map::iterator CutAt(uint64_t at) {
    auto it = std::prev(stretches_.upper_bound(at));
    if (it->first == at || at >= it->second.end) return it;
    const uint64_t end = std::exchange(it->second.end, at);
    return stretches_.emplace_hint(std::next(it), at, Stretch{end, it->second.touched});
  }

  Map stretches_;
};

}  // namespace tinyai
