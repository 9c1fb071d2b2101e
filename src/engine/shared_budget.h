#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "base/budget.h"

namespace tinyai {

class WeightCache;

// One limit for what several models hold: layers in their caches, and what passes and sessions over
// them take. Cached layers give way to passes, of whatever model. Thread-safe; what takes from it
// keeps it alive.
class SharedBudget {
 public:
  explicit SharedBudget(uint64_t limit_bytes) : budget_("shared budget", limit_bytes) {}

  Budget& budget() { return budget_; }
  const Budget& budget() const { return budget_; }
  // What a pass that begins may take: also what caches would let go for it. Never 0, which means no
  // limit where limits are given.
  uint64_t available_bytes() const;
  // Has caches let layers go until so much is free, as far as they can.
  void MakeRoom(uint64_t bytes);
  // Adds to an error of planning within that how it came about.
  tl::unexpected<Error> Explain(Error error) const;

  // A cache whose layers are counted in budget(), until it leaves.
  void Join(WeightCache& cache);
  void Leave(const WeightCache& cache);

 private:
  Budget budget_;
  mutable std::mutex mutex_;  // guards `caches_`; taken before a cache's own
  std::vector<WeightCache*> caches_;
};

}  // namespace tinyai
