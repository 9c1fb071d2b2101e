#include "engine/shared_budget.h"

#include <algorithm>

#include "engine/weight_cache.h"
#include "fmt/format.h"

namespace tinyai {

uint64_t SharedBudget::available_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t held = budget_.used_bytes();
  for (const WeightCache* const cache : caches_) held -= std::min(held, cache->sheddable_bytes());
  return std::max<uint64_t>(budget_.limit_bytes() - std::min(held, budget_.limit_bytes()), 1);
}

void SharedBudget::MakeRoom(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (WeightCache* const cache : caches_) {
    const uint64_t free = budget_.limit_bytes() - budget_.used_bytes();
    if (free >= bytes) return;
    cache->Shed(bytes - free);
  }
}

tl::unexpected<Error> SharedBudget::Explain(Error error) const {
  if (error.key == "BUDGET_INFEASIBLE") {
    error.message += fmt::format("; the budget of {} that models share has {} left",
                                 budget_.limit_bytes(), available_bytes());
  }
  return tl::unexpected<Error>(std::move(error));
}

void SharedBudget::Join(WeightCache& cache) {
  const std::lock_guard lock(mutex_);
  caches_.push_back(&cache);
}

void SharedBudget::Leave(const WeightCache& cache) {
  const std::lock_guard lock(mutex_);
  std::erase(caches_, &cache);
}

}  // namespace tinyai
