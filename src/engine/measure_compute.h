#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/budget.h"
#include "base/result.h"

namespace tinyai {

// How long a product of quantised weights with one token takes that threads share: by its bytes,
// and until the threads have met, which is much of a small product.
struct ProductRate {
  double bytes_per_second = 0;
  double meeting_seconds = 0;
};
// What threads on these CPUs, one each, reach together: what generation does with weights that
// stay. These lie in `block_bytes` of memory, which should be more than any cache holds. Errors
// BUDGET_EXCEEDED, OUT_OF_MEMORY, THREAD.
Result<ProductRate> MeasureProductRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                       uint64_t block_bytes, std::chrono::nanoseconds duration);

// Multiply-adds per second that threads on these CPUs, one each, reach together in the products of
// a prompt: quantised weights that fit into a cache, a chunk of tokens. Errors BUDGET_EXCEEDED,
// OUT_OF_MEMORY, THREAD.
Result<double> MeasureComputeRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  std::chrono::nanoseconds duration);

}  // namespace tinyai
