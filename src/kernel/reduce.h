#pragma once

#include <cstdint>

#include "kernel/window.h"

namespace tinyai {

enum class ReduceKind : uint8_t { kSum, kMean, kMax, kMin };

// out[i] = the sum (taken in double), mean, maximum or minimum of x[0..size)[i] of x[size][inner],
// for i in `columns` of [0, inner); `out` is indexed from columns.first on. A column's bits depend
// on its own values and on whether inner is 1. A NaN makes the result one. x and out do not
// overlap. size > 0.
void Reduce(ReduceKind kind, const float* x, uint64_t size, uint64_t inner, IndexRange columns,
            float* out);

}  // namespace tinyai
