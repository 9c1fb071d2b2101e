#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "base/budget.h"
#include "base/result.h"

namespace tinyai {

// Multiply-adds per second that threads on these CPUs, one each, reach together in the products of
// a prompt: quantised weights that fit into a cache, a chunk of tokens. Errors BUDGET_EXCEEDED,
// OUT_OF_MEMORY, THREAD.
Result<double> MeasureComputeRate(Budget& budget, const std::vector<uint32_t>& cpus,
                                  std::chrono::nanoseconds duration);

}  // namespace tinyai
